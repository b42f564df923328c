import { describe, expect, it } from 'vitest'
import { newWarnings } from '../../src/cli/output/command-events.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { graph } from '../support/graph.ts'
import { newFolder } from '../support/folder.ts'
import { startRegistry, type TestRegistry } from '../support/registry.ts'
import { runCommand } from './command.ts'
import { repository } from './registry.ts'

/** A registry that has a problem for ever. */
function startBroken(): Promise<TestRegistry> {
  return startRegistry({
    misbehave(_request, response) {
      response.writeHead(503).end()
      return true
    },
  })
}

describe('how a command reaches a registry', () => {
  it.each([
    ['0', 1],
    ['2', 3],
  ])('with --retries %s takes %d requests until it gives up', async (retries, requests) => {
    await using registry = await startBroken()
    const args = ['repo', 'tags', `${registry.name}/app`, '--retries', retries, '--debug']
    const { code, stderr } = await runCommand(args)
    expect(code).toBe(1)
    expect(registry.requests).toHaveLength(requests)
    expect(stderr.match(/^Waiting \d+\.\d s before attempt \d: GET http.* \(503/gm) ?? []).toHaveLength(
      requests - 1,
    )
  })

  it('with --retry-time 0 waits for nothing that is busy', async () => {
    await using registry = await startRegistry({
      misbehave(_request, response) {
        response.writeHead(503, { 'retry-after': '1' }).end()
        return true
      },
    })
    const args = ['repo', 'tags', `${registry.name}/app`, '--retry-time', '0']
    expect((await runCommand(args)).code).toBe(1)
    expect(registry.requests).toHaveLength(1)
  })

  it('with --chunk-size sends a blob in chunks of that size', async () => {
    const image = graph({
      large: { kind: 'blob', bytes: Buffer.alloc(200 * 1024, 'x') },
      image: ['config', 'large'],
    })
    await using registry = await startRegistry()
    await using folder = await newFolder()
    const layout = new OciLayout(folder.path)
    await image.pushTo(layout)
    await layout.tag(image.descriptor('image'), 'v1')
    const args = ['cp', `oci:${folder.path}:v1`, `${registry.name}/copy`, '--chunk-size', '64KiB']
    expect(await runCommand(args)).toMatchObject({ code: 0 })
    expect(registry.requests.filter((request) => request.startsWith('PATCH '))).toHaveLength(4)
    expect(await repository(registry, 'copy').exists(image.descriptor('large'))).toBe(true)
  })

  it.each([
    ['v1.1-referrers-tag', true],
    ['v1.1-referrers-api', false],
  ])('with --to-distribution-spec %s writes a fallback tag: %s', async (specification, isWritten) => {
    const image = graph({ subject: ['config'], referrer: { children: ['layer'], subject: 'subject' } })
    await using registry = await startRegistry()
    await using folder = await newFolder()
    const layout = new OciLayout(folder.path)
    await image.pushTo(layout)
    await layout.tag(image.descriptor('referrer'), 'v1')
    const args = ['cp', `oci:${folder.path}:v1`, `${registry.name}/copy`]
    expect(await runCommand([...args, '--to-distribution-spec', specification])).toMatchObject({ code: 0 })
    const fallback = image.descriptor('subject').digest.replace(':', '-')
    const tags = await Array.fromAsync(repository(registry, 'copy').tags())
    expect(tags.includes(fallback)).toBe(isWritten)
    expect(tags).toContain('v1')
  })
})

describe('a warning', () => {
  it('is new once for each side, and other events always are', () => {
    const isNew = newWarnings()
    const warning = { type: 'warning', message: 'old' } as const
    expect([warning, warning, { ...warning, message: 'other' }].map(isNew)).toEqual([true, false, true])
    expect([{ ...warning, side: 'source' } as const, warning].map(isNew)).toEqual([true, false])
    const request = { type: 'request', method: 'GET', url: 'x', status: 200, milliseconds: 1 } as const
    expect([request, request].map(isNew)).toEqual([true, true])
  })
})
