import { fileURLToPath } from 'node:url'
import { defineConfig, type ViteUserConfig } from 'vitest/config'

const config: ViteUserConfig = defineConfig({
  // The examples import the package by its name, as users do; the tests run them on the sources.
  resolve: {
    alias: [{ find: /^copygraph$/, replacement: fileURLToPath(new URL('src/index.ts', import.meta.url)) }],
  },
  // Many tests wait for other processes and for clocks; by itself, vitest would use one of two processors.
  test: { include: ['test/**/*.test.ts'], testTimeout: 30_000, maxWorkers: '100%' },
})

export default config
