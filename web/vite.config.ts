import { defineConfig } from "vite";
import { oneFile } from "./one_file";

export default defineConfig({
  plugins: [oneFile()],
  build: {
    target: "es2022",
    cssCodeSplit: false,
    modulePreload: false,
    assetsInlineLimit: Number.MAX_SAFE_INTEGER,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1024, // KB
  },
});
