import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Repository } from '../../../src/targets/remote/repository.ts'
import {
  answerWith,
  changeHeaders,
  delay,
  on,
  startFaultyRegistry,
  type FaultyRegistry,
} from '../../../src/testing/testing.ts'
import { graph } from '../../support/graph.ts'
import { referrersOf } from '../contract/support.ts'

const program = fileURLToPath(new URL('referrers-writer-process.ts', import.meta.url))
const image = graph({ image: ['config'] })
const subject = image.descriptor('image')

/** It keeps no lists of referrers, and takes its time to write one. */
async function startRegistry(): Promise<FaultyRegistry> {
  const registry = await startFaultyRegistry({
    faults: [
      on({ endpoint: 'referrers' }, answerWith(404)),
      on({ endpoint: 'manifest' }, changeHeaders({ 'oci-subject': undefined })),
      on({ method: 'PUT', path: /sha256-/ }, delay(20)),
    ],
  })
  onTestFinished(() => registry.close())
  await using repository = new Repository(`${registry.host}/a`)
  await image.pushTo(repository)
  return registry
}

/** A process that is about to attach. */
async function start({ host }: FaultyRegistry, name: string, ...more: readonly string[]): Promise<Writer> {
  const child = spawn(process.execPath, [program, host, name, ...more], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  await once(child.stdout, 'data')
  return {
    async attach() {
      child.stdin.write('go\n')
      const [code] = await ended
      return code
    },
  }
}

interface Writer {
  /** The exit code. */
  attach(): Promise<unknown>
}

describe('several processes that attach to one subject, where lists are kept in tags,', () => {
  it.each([
    ['together', 20, ['a', 'b']],
    ['one-by-one', 6, ['a', 'b', 'c']],
  ])('lose no entry: %s', { timeout: 60_000 }, async (mode, count, names) => {
    const registry = await startRegistry()
    const writers = await Promise.all(names.map((name) => start(registry, name, `${count}`, mode)))
    const codes = await Promise.all(writers.map((writer) => writer.attach()))
    expect(codes).toEqual(names.map(() => 0))
    await using repository = new Repository(`${registry.host}/a`, { referrers: 'tag-schema' })
    const found = await referrersOf(repository, subject)
    const expected = names.flatMap((name) => Array.from({ length: count }, (_, at) => `test/${name}-${at}`))
    expect(found.map(({ artifactType = '' }) => artifactType).toSorted()).toEqual(expected.toSorted())
  })
})
