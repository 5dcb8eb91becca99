// How the page is built. Everything comes out as files of its own (no inlined scripts, styles, fonts or
// images), because the gateway sends `default-src 'self'`. Names carry a hash of their content, so
// that a browser may keep them for ever.
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

export default defineConfig({
  base: './',
  plugins: [katexFonts(), svelte()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400,
  },
  server: { proxy: { '/hearth': process.env.HEARTH_URL ?? 'http://127.0.0.1:8900' } },
});
