// How the page is built. Everything comes out as files of its own (no inlined scripts, styles, fonts or
// images), because the gateway sends `default-src 'self'`. Names carry a hash of their content, so
// that a browser may keep them for ever.
import { readdirSync, readFileSync } from 'node:fs';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

// KaTeX lists every font in three formats. Only woff2 is needed, and the decorative families are rare
// enough to fall back to the text font.
function katexFonts(): Plugin {
  const rare = /KaTeX_(Fraktur|SansSerif|Script|Caligraphic-Bold|Typewriter|Main-Italic|Main-BoldItalic|Math-BoldItalic)/;
  return {
    name: 'katex-fonts',
    enforce: 'pre',
    transform(code, id) {
      if (!/katex.*\.css/.test(id)) return null;
      const slim = code
        .replace(/@font-face\{[^}]*\}/g, (face) => (rare.test(face) ? '' : face))
        .replace(/,url\([^)]*\.(woff|ttf)\) format\("(woff|truetype)"\)/g, '');
      return { code: slim, map: null };
    },
  };
}

// Whose code is in the page, and on what terms: licenses.txt beside it.
function licenses(): Plugin {
  return {
    name: 'licenses',
    generateBundle(_, bundle) {
      const roots = new Set<string>();
      for (const chunk of Object.values(bundle))
        if (chunk.type === 'chunk')
          for (const id of chunk.moduleIds) {
            const root = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id.replace(/^\0/, ''))?.[0];
            if (root) roots.add(root);
          }
      const parts = [...roots].sort().map((root) => {
        const { name, version, license } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as Record<string, string>;
        const file = readdirSync(root).find((entry) => /^licen[cs]e/i.test(entry));
        return `${name} ${version} (${license})\n\n${file ? readFileSync(`${root}/${file}`, 'utf8').trim() : ''}\n`;
      });
      this.emitFile({ type: 'asset', fileName: 'licenses.txt', source: parts.join(`\n${'-'.repeat(72)}\n\n`) });
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [katexFonts(), svelte(), licenses()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400,
  },
  server: { proxy: { '/hearth': process.env.HEARTH_URL ?? 'http://127.0.0.1:8900' } },
});
