import { existsSync, readFileSync } from 'node:fs'
import { versions } from 'node:process'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const path = (name: string): URL => new URL(`../${name}`, import.meta.url)
const read = (name: string): unknown => JSON.parse(readFileSync(path(name), 'utf8'))

const manifest = z
  .object({
    name: z.string(),
    type: z.string(),
    sideEffects: z.boolean(),
    engines: z.object({ node: z.string() }),
    bin: z.record(z.string(), z.string()),
    files: z.array(z.string()),
    exports: z.record(z.string(), z.union([z.string(), z.record(z.string(), z.string())])),
    allowScripts: z.record(z.string(), z.boolean()),
    dependencies: z.record(z.string(), z.string()),
    devDependencies: z.record(z.string(), z.string()),
  })
  .parse(read('package.json'))

const codeExports = Object.entries(manifest.exports).filter(([name]) => name !== './package.json')
const sourceOf = (target: string): string =>
  target.replace(/^\.?\/?dist\//, 'src/').replace(/(\.d)?\.[jt]s$/, '.ts')

describe('package.json', () => {
  it('is an ECMAScript module without side effects', () => {
    expect(manifest).toMatchObject({ name: 'copygraph', type: 'module', sideEffects: false })
  })

  it('asks for the Node that these tests run on, or an older one', () => {
    const [, major = 0, minor = 0] = (/^>=(\d+)\.(\d+)$/.exec(manifest.engines.node) ?? []).map(Number)
    const [ownMajor = 0, ownMinor = 0] = versions.node.split('.').map(Number)
    expect([major, minor]).toEqual([22, 19])
    expect(ownMajor > major || (ownMajor === major && ownMinor >= minor)).toBe(true)
  })

  it('brings the Node that development needs, and approves its install script and no other', () => {
    expect(manifest.devDependencies['node']).toMatch(/^\^24\./)
    expect(manifest.allowScripts).toEqual({ node: true })
  })

  it.each(codeExports)('exports %s from a file that has a source, with its types', (_, targets) => {
    expect(targets).toEqual({
      types: expect.stringMatching(/^\.\/dist\/.*\.d\.ts$/),
      default: expect.stringMatching(/^\.\/dist\/.*\.js$/),
    })
    const names = new Set(Object.values(targets).map(sourceOf))
    expect([...names].map((name) => [name, existsSync(path(name))])).toEqual([[expect.any(String), true]])
  })

  it('exports nothing by a pattern', () => {
    expect(Object.keys(manifest.exports).filter((name) => name.includes('*'))).toEqual([])
  })

  it('has a command whose source begins with the line that finds Node', () => {
    expect(manifest.bin).toEqual({ copygraph: 'dist/cli/main.js' })
    expect(readFileSync(path(sourceOf('dist/cli/main.js')), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
  })

  it('publishes what was built, not the sources', () => {
    expect(manifest.files).toContain('dist')
    expect(manifest.files.filter((name) => ['src', 'test', 'bench', 'tools'].includes(name))).toEqual([])
  })

  it('leaves the tools whose binaries for other platforms may be missing out of the lock', () => {
    const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })
    expect(names.filter((name) => ['oxlint', 'oxlint-tsgolint', 'knip'].includes(name))).toEqual([])
    expect(read('tools/package.json')).toHaveProperty('devDependencies.oxlint')
  })
})

describe('the check for unused code', () => {
  it('begins at every file that users can import or run', () => {
    const { entry } = z.object({ entry: z.array(z.string()) }).parse(read('knip.json'))
    const targets = [
      ...codeExports.flatMap(([, target]) => Object.values(target)),
      ...Object.values(manifest.bin),
    ]
    const ofSource = entry.filter((name) => name.startsWith('src/'))
    expect(ofSource.toSorted()).toEqual([...new Set(targets.map(sourceOf))].toSorted())
  })
})
