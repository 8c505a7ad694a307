// Faults that TypeScript's own checks do not see: promises that nobody waits for, hooks called in the wrong order, unsafe any.
import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import { defineConfig, globalIgnores } from "eslint/config";
import ts from "typescript-eslint";

export default defineConfig(
  globalIgnores(["dist"]),
  {
    files: ["src/**/*.{ts,tsx}", "vite.config.ts"],
    extends: [js.configs.recommended, ts.configs.recommendedTypeChecked, hooks.configs.flat["recommended-latest"]],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    // A function is async where the type of its place asks for it, also if this one waits for nothing.
    rules: { "@typescript-eslint/require-await": "off" },
    linterOptions: { reportUnusedDisableDirectives: "error" },
  },
);
