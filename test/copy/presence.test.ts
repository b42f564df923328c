import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { copyGraph } from '../../src/copy/copy-graph.ts'
import type { CopyGraphOptions, NodeState } from '../../src/copy/options.ts'
import type { SignalOptions } from '../../src/events.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { graph } from '../support/graph.ts'
import { RecordingDestination } from '../support/spy.ts'

const sampleSize = 8
const layers = Array.from({ length: 40 }, (_, index) => `layer${index}`)
const drawing = graph({ image: ['config', ...layers] })
const image = drawing.descriptor('image')
const digestOf = (name: string): string => drawing.descriptor(name).digest

async function filled(): Promise<MemoryTarget> {
  const memory = new MemoryTarget()
  await drawing.pushTo(memory)
  return memory
}

/** Far away, and silent about blobs until the copy ends; `onLast` is called with the last question of the sample. */
function silentDestination(onLast: () => void): RecordingDestination {
  const destination = new RecordingDestination(new MemoryTarget())
  let asked = 0
  const exists = async ({ digest }: Descriptor, { signal }: SignalOptions = {}): Promise<boolean> => {
    if (digest === image.digest) return false
    asked += 1
    if (asked === sampleSize) onLast()
    await delay(60_000, undefined, { signal })
    return false
  }
  return Object.assign(destination, { isRemote: true, exists })
}

/** Functions of the caller that note which blobs they hear of. */
function listening(): { readonly heard: string[]; readonly options: CopyGraphOptions } {
  const heard: string[] = []
  const hear = ({ descriptor }: NodeState): undefined => void heard.push(descriptor.digest)
  return {
    heard,
    options: {
      preCopy: hear,
      mountFrom(state) {
        hear(state)
        return []
      },
    },
  }
}

describe('small blobs for a destination that is far away', () => {
  it('are left alone when the copy is aborted while the first ones are asked for', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const destination = silentDestination(() => setImmediate(() => controller.abort(reason)))
    const { heard, options } = listening()
    const { signal } = controller
    await expect(copyGraph(await filled(), image, destination, { ...options, signal })).rejects.toBe(reason)
    // The config of a new image is not asked for.
    expect(new Set(heard)).toEqual(new Set([digestOf('config')]))
    expect(destination.pushes()).toEqual([digestOf('config')])
  })

  it('are left alone when one of the first ones cannot be asked for', async () => {
    const broken = new Error('the registry is out of order')
    const destination = silentDestination(() => {
      throw broken
    })
    const { heard, options } = listening()
    await expect(copyGraph(await filled(), image, destination, options)).rejects.toMatchObject({
      origin: 'destination',
      operation: 'look for',
      cause: broken,
    })
    expect(new Set(heard)).toEqual(new Set([digestOf('config')]))
    expect(destination.pushes()).toEqual([digestOf('config')])
  })

  it.each([
    ['all asked for where one of the first ones is there', ['layer3', 'layer30'], layers.length],
    ['taken to be absent where none of the first ones is there', ['layer30'], sampleSize],
  ])('are %s', async (_what, present, questions) => {
    const memory = new MemoryTarget()
    await drawing.pushTo(memory, present)
    const destination = Object.assign(new RecordingDestination(memory), { isRemote: true })
    await copyGraph(await filled(), image, destination)
    const isAsked = (name: string): boolean => destination.calls.includes(`exists ${digestOf(name)}`)
    expect(layers.filter(isAsked)).toHaveLength(questions)
    const known = present.filter(isAsked)
    expect(new Set(destination.pushes())).toEqual(
      new Set(drawing.names.filter((name) => !known.includes(name)).map(digestOf)),
    )
  })
})
