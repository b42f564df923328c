import { fileURLToPath } from 'node:url'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

const config: ViteUserConfig = defineConfig({
  // The examples import the package by its name, as users do; the tests run them on the sources.
  resolve: {
    alias: [{ find: /^copygraph$/, replacement: fileURLToPath(new URL('src/index.ts', import.meta.url)) }],
  },
  test: { include: ['test/**/*.test.ts'], testTimeout: 30_000 },
})

export default config
