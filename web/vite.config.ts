import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// In development the page comes from Vite and everything below /v1 and /api from a running `rushes serve`.
const page = defineConfig({
  plugins: [react()],
  base: "./",
  server: { proxy: Object.fromEntries(["/v1", "/api"].map((path) => [path, { target: "http://127.0.0.1:8000", ws: true }])) },
  // The studio, the API's documents and the operators' page: what only one of them needs is no load for the others.
  build: { target: "es2022", rollupOptions: { input: ["index.html", "docs.html", "admin.html"] }, chunkSizeWarningLimit: 1700 },  // Swagger UI, of docs.html alone
});

// The clients of talking heads, and of predictions, as a file each beside the page, for the pages and programs of others.
const client = defineConfig({
  build: { target: "es2022", emptyOutDir: false, lib: {
    entry: { talk_client: "src/talk/client.ts", predict_client: "src/predict/client.ts" }, formats: ["es"], fileName: (_, name) => `${name}.js`,
  } },
});

export default defineConfig(({ mode }) => (mode === "client" ? client : page));
