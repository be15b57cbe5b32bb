import { defineConfig } from "vite";
import { oneFile } from "./one_file";

// A page is built by its name: `vite build --mode playground` makes playground.html. Only the playground may ask for
// anything, of the server that it comes from.
export default defineConfig(({ mode }) => ({
  plugins: [oneFile({ mayAskServer: mode === "playground" })],
  build: {
    rollupOptions: { input: mode === "playground" ? "playground.html" : "index.html" },
    target: "es2022",
    cssCodeSplit: false,
    modulePreload: false,
    assetsInlineLimit: Number.MAX_SAFE_INTEGER,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 1024, // KB
  },
}));
