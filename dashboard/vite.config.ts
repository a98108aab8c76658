import { defineConfig } from "vite";

// File names carry no hash: the program serves few files, each with an ETag of its content.
export default defineConfig({
  base: "/",
  build: {
    target: "es2022",
    // The styles of this page are written for browsers that know light-dark().
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rollupOptions: {
      output: {
        entryFileNames: "page.js",
        assetFileNames: (asset) => (asset.names[0]?.endsWith(".css") ? "page.css" : "[name][extname]"),
        codeSplitting: false,
      },
    },
  },
  server: { proxy: { "/api": "http://127.0.0.1:7070" } },
});
