import { describe, expect, it } from 'vitest'
import { contentOf } from '../../src/content/content.ts'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { copy } from '../../src/copy/copy.ts'
import { copyGraph } from '../../src/copy/copy-graph.ts'
import type { CopyEvent } from '../../src/events.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { referrersTag } from '../../src/targets/remote/referrers-tag.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import { graph } from '../support/graph.ts'
import { startRegistry, type TestRegistry } from '../support/registry.ts'

// image <- sbom
const drawing = graph({ sbom: { children: ['config'], subject: 'image' }, image: ['config', 'layer'] })
const sbom = drawing.descriptor('sbom')
const image = drawing.descriptor('image')
const list = referrersTag(image.digest)

async function filled(): Promise<MemoryTarget> {
  const memory = new MemoryTarget()
  await drawing.pushTo(memory)
  await memory.tag(sbom, 'v1')
  return memory
}

/** A registry that keeps no referrers; it fails to write so many lists of them. */
function startOldRegistry(failures: number): Promise<TestRegistry> {
  let left = failures
  return startRegistry({
    misbehave({ method, url = '' }, response) {
      const isList = method === 'PUT' && url.endsWith(`/manifests/${list}`)
      if (!url.includes('/referrers/') && !(isList && left > 0)) return false
      if (isList) left -= 1
      response.writeHead(isList ? 503 : 404, { 'content-length': 0 }).end()
      return true
    },
  })
}

function tagsIn({ repositories }: TestRegistry): Promise<string[]> {
  return Array.fromAsync(repositories.get('app')?.tags() ?? [])
}

/** By an object that knows nothing of what was found out before. */
async function referrersIn({ name }: TestRegistry): Promise<Descriptor[]> {
  await using repository = new Repository(`${name}/app`)
  return await Array.fromAsync(repository.referrers(image))
}

describe('a copy to a registry that keeps no referrers', () => {
  it('tags a referrer after it is listed, so that the next copy completes both', async () => {
    await using registry = await startOldRegistry(1)
    const source = await filled()
    await using first = new Repository(`${registry.name}/app`, { retry: { attempts: 1 } })
    await expect(copy(source, 'v1', first)).rejects.toMatchObject({
      origin: 'destination',
      descriptor: sbom,
      cause: { status: 503 },
    })
    expect(await tagsIn(registry)).toEqual([])
    await using second = new Repository(`${registry.name}/app`, { retry: { attempts: 1 } })
    const result = await copy(source, 'v1', second)
    expect(result.tags).toEqual(['v1'])
    expect((await tagsIn(registry)).sort()).toEqual([list, 'v1'].sort())
    expect(await referrersIn(registry)).toMatchObject([{ digest: sbom.digest }])
  })

  it('lists a referrer that exists and was not listed, when every manifest is looked at', async () => {
    await using registry = await startOldRegistry(1)
    const source = await filled()
    await using first = new Repository(`${registry.name}/app`, { retry: { attempts: 1 } })
    await expect(copyGraph(source, sbom, first)).rejects.toMatchObject({ cause: { status: 503 } })
    await using second = new Repository(`${registry.name}/app`, { retry: { attempts: 1 } })
    await copyGraph(source, sbom, second)
    expect(await tagsIn(registry), 'what exists is taken to be complete').toEqual([])
    const outcomes: CopyEvent[] = []
    await using third = new Repository(`${registry.name}/app`, { retry: { attempts: 1 } })
    const result = await copyGraph(source, sbom, third, {
      verify: 'manifests',
      onEvent: (event) => void (event.type === 'skipped' && outcomes.push(event)),
    })
    expect(await referrersIn(registry)).toMatchObject([{ digest: sbom.digest }])
    expect(result).toMatchObject({ copied: { nodes: 0 }, skipped: { nodes: drawing.names.length } })
    expect(outcomes).toContainEqual({ type: 'skipped', descriptor: sbom, reason: 'exists' })
  })

  it('sends a referrer that exists and is listed nothing, when every manifest is looked at', async () => {
    await using registry = await startOldRegistry(0)
    const source = await filled()
    await using repository = new Repository(`${registry.name}/app`, { retry: { attempts: 1 } })
    await copyGraph(source, sbom, repository)
    registry.requests.length = 0
    await copyGraph(source, sbom, repository, { verify: 'manifests' })
    expect(registry.requests.filter((request) => !/^(GET|HEAD) /.test(request))).toEqual([])
    expect(await repository.push(sbom, contentOf(drawing.node('sbom').bytes))).toBe('existed')
  })
})
