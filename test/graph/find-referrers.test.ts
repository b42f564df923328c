import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { findReferrers, type FoundReferrer } from '../../src/graph/find-referrers.ts'
import { renderReferrers } from '../../src/graph/render-referrers.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import type { ReferrersOptions, Source } from '../../src/targets/target.ts'
import { graph } from '../support/graph.ts'
import { RecordingSource } from '../support/spy.ts'
import { filled, drawing } from './drawing.ts'
import { hostileTexts } from './hand-made.ts'

//  cosignature ─► signature1 ─► image ◄─ signature2
//                    sbom2 ─► sbom1 ─┘
const signed = graph({
  image: ['config', 'layer'],
  signature1: { children: ['empty'], subject: 'image', artifactType: 'sig', annotations: { by: 'a' } },
  signature2: { children: ['empty'], subject: 'image', artifactType: 'sig', annotations: { by: 'b' } },
  sbom1: { children: ['empty'], subject: 'image', artifactType: 'sbom' },
  sbom2: { children: ['empty'], subject: 'sbom1', artifactType: 'sbom' },
  cosignature: { children: ['empty'], subject: 'signature1', artifactType: 'sig' },
})

interface CountingSource extends Source {
  readonly asked: string[]
}

/** Writes down whose referrers are asked for. */
async function counting(): Promise<CountingSource> {
  const memory = new MemoryTarget()
  await signed.pushTo(memory)
  const asked: string[] = []
  const referrers = (descriptor: Descriptor, options?: ReferrersOptions): AsyncIterable<Descriptor> => {
    asked.push(nameOf(descriptor))
    return memory.referrers(descriptor, options)
  }
  return Object.assign(new RecordingSource(memory), { asked, referrers })
}

function nameOf({ digest }: Descriptor): string {
  return signed.names.find((name) => signed.descriptor(name).digest === digest) ?? '?'
}

function outline(found: readonly FoundReferrer[]): readonly string[] {
  return found.flatMap(({ descriptor, referrers }) => [
    nameOf(descriptor),
    ...outline(referrers).map((line) => ` ${line}`),
  ])
}

describe('findReferrers', () => {
  it('finds referrers of referrers, with their types and annotations, and asks each once', async () => {
    const source = await counting()
    const found = await findReferrers(source, signed.descriptor('image'))
    expect(outline(found)).toEqual(['signature1', ' cosignature', 'signature2', 'sbom1', ' sbom2'])
    expect(found[0]?.descriptor).toMatchObject({ artifactType: 'sig', annotations: { by: 'a' } })
    expect(source.asked.toSorted()).toEqual(
      ['cosignature', 'image', 'sbom1', 'sbom2', 'signature1', 'signature2'].toSorted(),
    )
  })

  it('goes no further than its depth, and finds only one artifact type on request', async () => {
    const near = await counting()
    const image = signed.descriptor('image')
    expect(outline(await findReferrers(near, image, { depth: 1 }))).toEqual([
      'signature1',
      'signature2',
      'sbom1',
    ])
    expect(near.asked).toEqual(['image'])
    const found = await findReferrers(await counting(), image, { artifactType: 'sbom' })
    expect(outline(found)).toEqual(['sbom1', ' sbom2'])
  })

  it('refuses a source without the ability before any I/O, and a depth that is none', async () => {
    const source = new RecordingSource(await filled())
    const attempt = findReferrers(source, drawing.descriptor('index'))
    await expect(attempt).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    expect(source.fetched).toEqual([])
    for (const depth of [0, NaN]) {
      const shallow = findReferrers(await counting(), signed.descriptor('image'), { depth })
      await expect(shallow).rejects.toBeInstanceOf(RangeError)
    }
  })

  it.each([
    [{ maxNodes: 6 }, undefined],
    [{ maxNodes: 5 }, 'SIZE_EXCEEDS_LIMIT'],
    [{ maxDepth: 2 }, undefined],
    [{ maxDepth: 1 }, 'SIZE_EXCEEDS_LIMIT'],
  ])('takes what is just within its limits, and fails beyond: %o %s', async (limits, code) => {
    const attempt = findReferrers(await counting(), signed.descriptor('image'), limits)
    if (code === undefined) expect(await attempt).toHaveLength(3)
    else await expect(attempt).rejects.toMatchObject({ code })
  })

  it('ends where referrers run in a circle', async () => {
    const [a, b] = [signed.descriptor('sbom1'), signed.descriptor('sbom2')]
    const circle = Object.assign(await counting(), {
      async *referrers({ digest }: Descriptor) {
        yield digest === a.digest ? b : a
      },
    })
    expect(outline(await findReferrers(circle, a))).toEqual(['sbom2'])
  })

  it('rejects with the reason of an abort, and asks for nothing more', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const source = await counting()
    const { referrers } = source
    const stopping = Object.assign(source, {
      referrers(descriptor: Descriptor, options?: ReferrersOptions) {
        controller.abort(reason)
        return referrers?.(descriptor, options) ?? fail()
      },
    })
    const attempt = findReferrers(stopping, signed.descriptor('image'), { signal: controller.signal })
    await expect(attempt).rejects.toBe(reason)
    expect(source.asked).toEqual(['image'])
  })
})

describe('renderReferrers', () => {
  it('groups digests by artifact type', async () => {
    const found = await findReferrers(await counting(), signed.descriptor('image'))
    const digest = (name: string): string => signed.descriptor(name).digest
    expect(renderReferrers('here', found).split('\n')).toEqual([
      'here',
      '├── sig',
      `│   ├── ${digest('signature1')}`,
      '│   │   └── sig',
      `│   │       └── ${digest('cosignature')}`,
      `│   └── ${digest('signature2')}`,
      '└── sbom',
      `    └── ${digest('sbom1')}`,
      '        └── sbom',
      `            └── ${digest('sbom2')}`,
    ])
  })

  it('lets no text make another line or steer a terminal', () => {
    const found = hostileTexts.map((artifactType) => ({
      descriptor: { ...signed.descriptor('image'), artifactType },
      referrers: [],
    }))
    const text = renderReferrers('here\nand there', found)
    expect(text.split('\n')).toHaveLength(1 + 2 * hostileTexts.length)
    expect(text).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u)
  })

  it('takes a chain of 20,000 without the call stack', () => {
    let referrers: readonly FoundReferrer[] = []
    for (let level = 0; level < 20_000; level++)
      referrers = [{ descriptor: signed.descriptor('sbom1'), referrers }]
    expect(renderReferrers('here', referrers).split('\n')).toHaveLength(40_001)
  })
})

function fail(): never {
  throw new RangeError('no referrers')
}
