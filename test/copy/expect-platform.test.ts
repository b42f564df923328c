import { describe, expect, it } from 'vitest'
import { expectPlatform } from '../../src/copy/expect-platform.ts'
import { parsePlatformPattern } from '../../src/copy/filters.ts'
import { errorCode } from '../../src/errors.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { graph } from '../support/graph.ts'

const arm64 = { os: 'linux', architecture: 'arm64', variant: 'v8' }
const drawing = graph({
  config: { bytes: Buffer.from(JSON.stringify(arm64)) },
  image: ['config', 'layer'],
  docker: { kind: 'docker', children: ['config', 'layer'] },
  said: { children: ['config', 'layer'], platform: arm64 },
  index: ['said'],
  silent: ['image'],
  list: { kind: 'list', children: ['docker'] },
  nested: ['silent'],
  artifact: { kind: 'artifact', children: ['layer'] },
})

/** The warnings about a root, or the error. */
async function expecting(name: string, ...wanted: readonly string[]): Promise<readonly string[]> {
  const source = new MemoryTarget()
  await drawing.pushTo(source)
  const warnings: string[] = []
  await expectPlatform(source, drawing.descriptor(name), {
    wanted: wanted.map(parsePlatformPattern),
    warn: (message) => warnings.push(message),
  })
  return warnings
}

describe('expectPlatform', () => {
  it.each(['image', 'docker'])('is content with an image (%s) for one of the platforms', async (name) => {
    expect(await expecting(name, 'linux/*')).toEqual([])
    expect(await expecting(name, 'linux/arm64', 'linux/amd64')).toEqual([
      `${drawing.descriptor(name).digest} has nothing for linux/amd64: it offers linux/arm64/v8`,
    ])
  })

  it.each(['image', 'docker'])('refuses an image (%s) for none of them', async (name) => {
    const failure = expecting(name, 'linux/amd64', 'windows/*')
    await expect(failure).rejects.toThrow('has nothing for linux/amd64, windows/*: it offers linux/arm64/v8')
    expect(errorCode(await failure.catch((error: unknown) => error))).toBe('NOT_FOUND')
  })

  it.each(['silent', 'list'])('refuses an index (%s) that says of no entry what it is for', async (name) => {
    const failure = expecting(name, 'linux/arm64')
    await expect(failure).rejects.toThrow('it offers no platform')
    expect(errorCode(await failure.catch((error: unknown) => error))).toBe('NOT_FOUND')
  })

  it.each(['index', 'nested'])('leaves an index (%s) to the filter', async (name) => {
    expect(await expecting(name, 'linux/amd64')).toEqual([])
  })

  it.each(['layer', 'artifact'])('refuses what is neither index nor image: %s', async (name) => {
    const failure = expecting(name, 'linux/arm64')
    await expect(failure).rejects.toThrow('has no platform: it is a')
    expect(errorCode(await failure.catch((error: unknown) => error))).toBe('UNSUPPORTED')
  })
})
