/** The build: everything from our own origin, nothing inlined, so that `default-src 'self'` holds. */
import { readFileSync } from 'node:fs';
import { defineConfig, type Plugin } from 'vite';

const SHIPPED = ['uplot', '@fontsource-variable/atkinson-hyperlegible-next'];

/** The licences of what is bundled go out with it, as they ask. */
function licences(): Plugin {
  return {
    name: 'licences',
    generateBundle() {
      const texts = SHIPPED.map((name) => `${name}\n\n${readFileSync(`node_modules/${name}/LICENSE`, 'utf8')}`);
      this.emitFile({ type: 'asset', fileName: 'assets/licences.txt', source: texts.join('\n\n----\n\n') });
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [licences()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: { input: ['index.html', 'buildings.html', 'me.html', 'sizing.html', 'statements.html'] },
  },
});
