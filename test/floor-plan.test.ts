import { execFile } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path/posix'
import { execPath } from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

/** From the bottom up: a room imports from itself and from what stands before it. */
const rooms = [
  'errors.ts',
  'events.ts',
  'content',
  'targets',
  'graph',
  'copy',
  'artifact',
  'server',
  'testing',
  'mirror',
  'cli',
  'index.ts',
]

/** The stores of src/targets; each stands for itself. */
const stores = ['memory.ts', 'oci-layout', 'remote', 'files']

interface Import {
  readonly specifier: string
  readonly typeOnly: boolean
}

interface Edge extends Import {
  /** Paths below src, such as `copy/copy.ts`. */
  readonly from: string
  /** The same for a file of ours, else the name of a package or of a module of Node. */
  readonly to: string
}

/** Every import of a source text: static, re-exported, for its side effects, dynamic. */
function importsOf(source: string): readonly Import[] {
  const code = source.replaceAll(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, '')
  const statements = code.matchAll(
    /^(?:import|export)\b( type\b)?(?:[^'"`;=()]*?\bfrom)?\s*['"]([^'"]+)['"]/gm,
  )
  const expressions = code.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g)
  return [
    ...statements.map(([, type, specifier = '']) => ({ specifier, typeOnly: type !== undefined })),
    ...expressions.map(([, specifier = '']) => ({ specifier, typeOnly: false })),
  ]
}

const files = globSync('**/*.ts', { cwd: join(root, 'src') }).toSorted()
const sources = new Map(files.map((file) => [file, readFileSync(join(root, 'src', file), 'utf8')]))
const edges: readonly Edge[] = [...sources].flatMap(([from, source]) =>
  importsOf(source).map((entry) => ({ ...entry, from, to: resolve(from, entry.specifier) })),
)

function resolve(from: string, specifier: string): string {
  return specifier.startsWith('.') ? normalize(join(dirname(from), specifier)) : specifier
}

const isOurs = ({ specifier }: Edge): boolean => specifier.startsWith('.')
const isIn = (path: string, place: string): boolean => path === place || path.startsWith(`${place}/`)
const roomOf = (path: string): string => path.split('/')[0] ?? ''
const storeOf = (path: string): string | undefined => stores.find((store) => isIn(path, `targets/${store}`))
const shown = (found: readonly Edge[]): readonly string[] => found.map(({ from, to }) => `${from} -> ${to}`)

describe('the scan of imports', () => {
  it('finds every form, and no other text', () => {
    const source = `
import a from 'a'
import { b,
  type B,
} from "b"
import type { C } from 'c'
import 'd'
import * as e from 'e'
export { f } from 'f'
export type { G } from 'g'
export * from 'h'
const i = await import('i')
const lazy = () => import(
  'j')
export const x = 'not from "x"'
export function y(): string { return 'from "y"' }
// import 'comment'
/* import('comment') */
`
    const found = importsOf(source)
    expect(found.map(({ specifier }) => specifier).join('')).toBe('abcdefghij')
    expect(found.filter(({ typeOnly }) => typeOnly).map(({ specifier }) => specifier)).toEqual(['c', 'g'])
  })

  it('saw the files of this project, and only files that exist', () => {
    expect(shown(edges)).toContain('content/digest.ts -> errors.ts')
    expect(shown(edges.filter((edge) => isOurs(edge) && !sources.has(edge.to)))).toEqual([])
  })
})

describe('the floor plan', () => {
  it('has a place for every file', () => {
    expect(files.filter((file) => !rooms.includes(roomOf(file)))).toEqual([])
  })

  it('lets a room import from itself and from rooms below it', () => {
    const upwards = edges.filter(
      ({ from, to, ...edge }) =>
        isOurs({ from, to, ...edge }) && rooms.indexOf(roomOf(to)) > rooms.indexOf(roomOf(from)),
    )
    const allowed = ({ from, to, typeOnly }: Edge): boolean =>
      typeOnly && /^e(rrors|vents)\.ts$/.test(from) && isIn(to, 'content')
    expect(shown(upwards.filter((edge) => !allowed(edge)))).toEqual([])
  })

  it('keeps the stores apart from each other', () => {
    const crossing = edges.filter(({ from, to }) => {
      const store = storeOf(to)
      return isIn(from, 'targets') && store !== undefined && storeOf(from) !== store
    })
    expect(shown(crossing)).toEqual([])
  })

  it('lets the interfaces know no store', () => {
    expect(
      shown(edges.filter(({ from, to }) => from === 'targets/target.ts' && isIn(to, 'targets'))),
    ).toEqual([])
  })

  it('lets the engine and the graph know the interfaces and files of its own, never a store', () => {
    const intoTargets = edges.filter(
      ({ from, to }) =>
        ['copy', 'graph'].includes(roomOf(from)) && isIn(to, 'targets') && to !== 'targets/target.ts',
    )
    expect(shown(intoTargets)).toEqual([
      'copy/ingest.ts -> targets/spool.ts',
      'copy/modifiers/modifier-memory.ts -> targets/descriptor-file.ts',
      'copy/modifiers/modifier-memory.ts -> targets/descriptor-file.ts',
    ])
  })

  it.each([
    ['undici', 'targets/remote'],
    ['tldts', 'targets/remote'],
    ['commander', 'cli'],
    ['bcryptjs', 'server'],
    ['@dagrejs/graphlib', 'graph'],
  ])('has %s in %s only', (name, place) => {
    const users = edges.filter(({ to }) => isIn(to, name))
    expect(shown(users.filter(({ from }) => !isIn(from, place)))).toEqual([])
  })

  it('has no file system and no network in content, graph and copy', () => {
    const inputOutput = /^node:(fs|net|http|https|http2|tls|dgram|dns|child_process|worker_threads)(\/|$)/
    const users = edges.filter(
      ({ from, to, typeOnly }) =>
        ['content', 'graph', 'copy'].includes(roomOf(from)) && !typeOnly && inputOutput.test(to),
    )
    expect(shown(users)).toEqual([])
  })

  it('names modules of Node with their prefix', () => {
    expect(
      shown(edges.filter(({ to }) => /^(fs|path|crypto|http|https|net|tls|os|stream|url)(\/|$)/.test(to))),
    ).toEqual([])
  })
})

describe('a source file', () => {
  it.each([
    ['exports everything of another', /^export\s+(type\s+)?\*/m],
    ['has a default export', /^export\s+default\b|\bas\s+default\b/m],
    ['has an enum or a namespace', /^(export\s+)?(declare\s+)?(const\s+)?(enum|namespace)\s+\w/m],
  ])('never %s', (_, pattern) => {
    expect(files.filter((file) => pattern.test(sources.get(file) ?? ''))).toEqual([])
  })

  it('is named index.ts only at the top', () => {
    expect(files.filter((file) => /(^|\/)index\.ts$/.test(file))).toEqual(['index.ts'])
  })

  it('is named in lower case, and not for being useful', () => {
    expect(
      files.filter((file) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(file)),
    ).toEqual([])
    expect(files.filter((file) => /\b(utils?|helpers?|common|misc|shared|lib)\b/.test(file))).toEqual([])
  })

  it('has at most 300 lines', () => {
    const long = files.filter((file) => (sources.get(file) ?? '').split('\n').length > 301)
    expect(long).toEqual([])
  })
})

/** The URL of every module that is loaded with the one that is imported. */
async function loadedWith(file: string): Promise<readonly string[]> {
  const script = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({
      resolve(specifier, context, next) {
        const resolved = next(specifier, context)
        loaded.push(resolved.url)
        return resolved
      },
    })
    await import(process.argv[1])
    process.stdout.write(JSON.stringify(loaded))`
  const url = new URL(`../src/${file}`, import.meta.url).href
  const { stdout } = await promisify(execFile)(execPath, [
    '--no-warnings',
    '--input-type=module',
    '-e',
    script,
    url,
  ])
  return JSON.parse(stdout)
}

describe('importing', () => {
  const heavy = (url: string): boolean => /^node:(fs|net|http|https|tls)\b|\/node_modules\/undici\//.test(url)

  it('the package itself loads no HTTP client and no file system', async () => {
    const loaded = await loadedWith('index.ts')
    expect(loaded.filter((url) => url.endsWith('/src/copy/copy.ts'))).not.toEqual([])
    expect(loaded.filter(heavy)).toEqual([])
  })

  it('a store that needs them loads them, so that the test above can fail', async () => {
    expect((await loadedWith('targets/oci-layout/oci-layout.ts')).filter(heavy)).not.toEqual([])
    expect((await loadedWith('targets/remote/remote.ts')).filter(heavy)).not.toEqual([])
  })
})
