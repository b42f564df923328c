import { readFile } from 'node:fs/promises'
import { version } from 'node:process'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { lackOfNode } from '../../src/cli/node-version.ts'

it.each(['v22.19.0', 'v22.20.1', 'v23.0.0', 'v24.21.0', 'v100.1.0', version])('runs on Node %s', (recent) => {
  expect(lackOfNode(recent)).toBeUndefined()
})

it.each(['v20.20.2', 'v22.18.9', 'v22.9.0', 'v4.99.0', 'v18.0.0-nightly'])(
  'says that Node %s is too old',
  (old) => {
    expect(lackOfNode(old)).toBe(`copygraph needs Node 22.19 or later, and this is Node ${old.slice(1)}`)
  },
)

it('wants the Node that the package says', async () => {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8')
  const { engines } = z.object({ engines: z.object({ node: z.string() }) }).parse(JSON.parse(text))
  expect(engines.node).toBe('>=22.19')
  expect(lackOfNode(engines.node.replace('>=', 'v'))).toBeUndefined()
})
