// Puts the script and the style sheet into the page, so that it is one file. A browser is told to run this very script
// and no other, and to fetch nothing, or nothing from elsewhere than its server: whatever text the page shows cannot
// become a script or a request to others.
import { createHash } from "node:crypto";
import type { Plugin } from "vite";

// What would end a script is written so that it does not.
function inScript(code: string): string {
  return code.replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
}

export interface Permissions {
  mayAskServer: boolean;
}

function policy(script: string, { mayAskServer }: Permissions): string {
  const hash = createHash("sha256").update(script, "utf8").digest("base64");
  const connect = mayAskServer ? "connect-src 'self'; " : "";
  return `default-src 'none'; ${connect}script-src 'sha256-${hash}'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'`;
}

export function oneFile(permissions: Permissions): Plugin {
  return {
    name: "one-file",
    enforce: "post",
    generateBundle(_options, bundle) {
      let script = "";
      let style = "";
      for (const [name, part] of Object.entries(bundle)) {
        if (part.type === "chunk") script += part.code;
        else if (name.endsWith(".css")) style += String(part.source);
        else continue;
        delete bundle[name];
      }
      script = inScript(script.trim());
      for (const part of Object.values(bundle)) {
        if (part.type !== "asset" || !part.fileName.endsWith(".html")) continue;
        const page = String(part.source)
          .replace(/\s*<script type="module"[^>]*src=[^>]*><\/script>/, "")
          .replace(/\s*<link rel="stylesheet"[^>]*>/, "");
        const head = `<meta http-equiv="Content-Security-Policy" content="${policy(script, permissions)}">\n    <style>${style}</style>`;
        part.source = page
          .replace("<meta charset=\"utf-8\">", () => `<meta charset="utf-8">\n    ${head}`)
          .replace("</body>", () => `  <script type="module">${script}</script>\n  </body>`);
      }
    },
  };
}
