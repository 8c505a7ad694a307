import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// In development the page comes from Vite and everything below /v1 from a running `rushes serve`.
export default defineConfig({
  plugins: [react()],
  base: "./",
  server: { proxy: { "/v1": { target: "http://127.0.0.1:8000", ws: true } } },
  build: { target: "es2022" },
});
