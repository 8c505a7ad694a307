import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// In development the page comes from Vite and everything below /v1, /api and /ws from a running `rushes serve`.
export default defineConfig({
  plugins: [react()],
  base: "./",
  server: { proxy: Object.fromEntries(["/v1", "/api", "/ws"].map((path) => [path, { target: "http://127.0.0.1:8000", ws: true }])) },
  build: { target: "es2022" },
});
