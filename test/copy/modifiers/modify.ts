import { expect } from 'vitest'
import type { Descriptor } from '../../../src/content/descriptor.ts'
import { copyGraph } from '../../../src/copy/copy-graph.ts'
import type { CopyGraphOptions, CopyResult } from '../../../src/copy/options.ts'
import type { Modifier } from '../../../src/copy/modifiers/modifier.ts'
import { MemoryTarget } from '../../../src/targets/memory.ts'
import type { TestGraph } from '../../support/graph.ts'
import { readJson } from '../../support/read-json.ts'

export interface Modified {
  readonly destination: MemoryTarget
  readonly result: CopyResult
  /** What became of the root. */
  readonly root: Descriptor
  // eslint-disable-next-line typescript/no-explicit-any -- documents are looked into freely
  readonly document: any
}

/** Copies a drawing's node, twice: the second copy makes the same of it and has nothing to do. */
export async function modify(
  drawing: TestGraph,
  modifiers: readonly Modifier[],
  name = 'root',
  options: CopyGraphOptions = {},
): Promise<Modified> {
  const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
  await drawing.pushTo(source)
  const run = (): Promise<CopyResult> =>
    copyGraph(source, drawing.descriptor(name), destination, { ...options, modifiers })
  const result = await run()
  const again = await run()
  expect(again.root).toEqual(result.root)
  expect(again.copied.nodes).toBe(0)
  return { destination, result, root: result.root, document: await readJson(destination, result.root) }
}

/** Expects that nothing becomes of a drawing but itself, byte for byte. */
export async function expectUnchanged(
  drawing: TestGraph,
  modifiers: readonly Modifier[],
  name = 'root',
): Promise<void> {
  const { root, destination } = await modify(drawing, modifiers, name)
  expect(root).toEqual(drawing.descriptor(name))
  expect(await destination.exists(drawing.descriptor(name))).toBe(true)
}

/** The config of an image. */
export async function readConfig(target: MemoryTarget, manifest: Descriptor): ReturnType<typeof readJson> {
  return readJson(target, (await readJson(target, manifest)).config)
}

/** An image's config, and what tools put beside the fields of the specification. */
export const imageConfig = {
  created: '2020-01-02T03:04:05.678901234Z',
  author: 'somebody',
  architecture: 'amd64',
  os: 'linux',
  'os.version': '1',
  config: {
    User: 'root',
    Env: ['PATH=/bin', 'LANG=C', 'EMPTY='],
    Entrypoint: ['/entry'],
    Cmd: ['serve'],
    WorkingDir: '/work',
    Labels: { kept: 'yes', old: 'value' },
    OnBuild: null,
    ArgsEscaped: true,
  },
  rootfs: {
    type: 'layers',
    diff_ids: ['sha256:0000000000000000000000000000000000000000000000000000000000000000'],
  },
  history: [{ created: '2019-01-01T00:00:00Z', created_by: 'ADD <file> & more' }, { created_by: 'RUN it' }],
  'moby.buildkit.buildinfo.v1': 'e30=',
} as const
