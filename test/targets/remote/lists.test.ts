import { describe, expect, it, onTestFinished } from 'vitest'
import { pages } from '../../../src/targets/remote/pages.ts'
import { limitsOf } from '../../../src/targets/remote/transport/limits.ts'
import type { HttpResponse } from '../../../src/targets/remote/transport/http.ts'
import { Registry } from '../../../src/targets/remote/registry.ts'
import type { RepositoryOptions } from '../../../src/targets/remote/repository.ts'
import { blob, tagsOf } from '../contract/support.ts'
import { errorBody, startServer, type Answer, type Handler, type TestServer } from './server.ts'

async function start(handler: Handler, options: RepositoryOptions = {}): Promise<[Registry, TestServer]> {
  const server = await startServer(handler)
  const registry = new Registry(server.host, options)
  onTestFinished(() => registry.close())
  return [registry, server]
}

function list(tags: unknown, link?: string): Answer {
  return {
    status: 200,
    body: JSON.stringify({ name: 'a', tags }),
    ...(link !== undefined && { headers: { link } }),
  }
}

/** A registry that keeps to `n` and `last`. */
function paging(all: readonly string[], size: number): Handler {
  return ({ url }) => {
    const { searchParams } = new URL(url, 'http://x')
    const rest = all.filter((tag) => tag > (searchParams.get('last') ?? ''))
    const page = rest.slice(0, Math.min(size, Number(searchParams.get('n') ?? size)))
    const isLast = page.length === rest.length
    return list(page, isLast ? undefined : `</v2/a/tags/list?n=${size}&last=${page.at(-1)}>; rel="next"`)
  }
}

/** The paths of the pages of a list whose first page has this Link header, which may be longer than a server would send. */
async function pathsAsked(link: string): Promise<readonly string[]> {
  const paths: string[] = []
  const get = (url: URL): Promise<HttpResponse> => {
    paths.push(url.pathname + url.search)
    const links = paths.length === 1 ? [link] : []
    return Promise.resolve({
      method: 'GET',
      url,
      status: 200,
      header: () => undefined,
      headers: () => links,
      body: (async function* () {})(),
      limits: limitsOf({}),
      started: 0,
      discard: () => Promise.resolve(),
      breakOff: () => undefined,
      closed: Promise.resolve(),
    })
  }
  try {
    for await (const _page of pages(new URL('http://127.0.0.1/first'), get));
  } catch (error) {
    expect(error).toMatchObject({ code: 'RESPONSE' })
  }
  return paths
}

describe('tags', () => {
  it('come from all pages', async () => {
    const [registry, server] = await start(paging(['a', 'b', 'c', 'd', 'e'], 2))
    expect(await tagsOf(registry.repository('a'))).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(server.lines).toEqual([
      'GET /v2/a/tags/list',
      'GET /v2/a/tags/list?n=2&last=b',
      'GET /v2/a/tags/list?n=2&last=d',
    ])
  })

  it('are asked for by the size of a page, and no more pages are read than a limit needs', async () => {
    const [registry, server] = await start(paging(['a', 'b', 'c', 'd', 'e'], 2), { tagPageSize: 2 })
    expect(await tagsOf(registry.repository('a'), { last: 'a', limit: 2 })).toEqual(['b', 'c'])
    expect(server.lines).toEqual(['GET /v2/a/tags/list?n=2&last=a'])
    expect(await tagsOf(registry.repository('a'), { limit: 0 })).toEqual([])
    expect(server.requests).toHaveLength(1)
    const [patient, asked] = await start(paging(['a'], 2))
    await tagsOf(patient.repository('a'), { limit: 5000 })
    expect(asked.lines).toEqual(['GET /v2/a/tags/list?n=1000'])
  })

  it('are asked for without the size of a page that is too large', async () => {
    const all = ['a', 'b', 'c', 'd', 'e']
    const [registry, server] = await start((request, response) =>
      Number(new URL(request.url, 'http://x').searchParams.get('n')) > 2
        ? { status: 413 }
        : paging(all, 2)(request, response),
    )
    expect(await tagsOf(registry.repository('a'), { last: 'a', limit: 3 })).toEqual(['b', 'c', 'd'])
    expect(server.lines).toEqual([
      'GET /v2/a/tags/list?n=3&last=a',
      'GET /v2/a/tags/list?last=a',
      'GET /v2/a/tags/list?n=2&last=c',
    ])
  })

  it('end in the error of a registry to which every page is too large', async () => {
    const [registry, server] = await start(() => ({ status: 413 }))
    await expect(tagsOf(registry.repository('a'), { limit: 3 })).rejects.toMatchObject({ status: 413 })
    await expect(tagsOf(registry.repository('a'))).rejects.toMatchObject({ status: 413 })
    expect(server.lines.map((line) => line.split('list')[1])).toEqual(['?n=3', '', ''])
  })

  it('are UNSUPPORTED where the repository is known and its list is not', async () => {
    const [registry] = await start(({ url }) =>
      url.includes('tags') ? { status: 404, body: errorBody('NOT_FOUND') } : { status: 200 },
    )
    const repository = registry.repository('a')
    await expect(tagsOf(repository)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await repository.exists(blob(Buffer.from('x')))
    await expect(tagsOf(repository)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })

  it('are in order, after the last and within the limit, of a registry that ignores all that', async () => {
    const [registry] = await start(() => list(['c', 'B', 'a', 'd', 'b']))
    expect(await tagsOf(registry.repository('a'))).toEqual(['B', 'a', 'b', 'c', 'd'])
    expect(await tagsOf(registry.repository('a'), { last: 'a', limit: 2 })).toEqual(['b', 'c'])
  })

  it('are read to the end from a registry whose pages are not in order', async () => {
    const answers = [list(['b', 'a'], '</v2/a/tags/list?p=2>; rel="next"'), list(['A'])]
    const [registry] = await start(() => answers.shift() ?? { status: 500 })
    expect(await tagsOf(registry.repository('a'), { limit: 1 })).toEqual(['A'])
  })

  it('are what is a tag in the list', async () => {
    const strange = ['a', null, 'a', '', 7, {}, `sha256:${'0'.repeat(64)}`, '../x', 'a b', '__proto__']
    const [registry] = await start(() => list(strange))
    expect(await tagsOf(registry.repository('a'))).toEqual(['__proto__', 'a'])
  })

  it.each(['{"tags":null}', '{}', '{"tags":[]}'])('may be none: %s', async (body) => {
    const [registry] = await start(() => ({ status: 200, body }))
    expect(await tagsOf(registry.repository('a'))).toEqual([])
  })

  it.each(['', '<html>', '[]', 'null', '{"tags":{}}', '{"tags":"a"}'])('are not in %j', async (body) => {
    const [registry] = await start(() => ({ status: 200, body }))
    await expect(tagsOf(registry.repository('a'))).rejects.toMatchObject({ code: 'INVALID_MANIFEST' })
  })

  it('of a repository that is not there are an error, and none of one that is', async () => {
    const [registry] = await start(({ url }) =>
      url.includes('tags') ? { status: 404, body: errorBody('NAME_UNKNOWN') } : { status: 200 },
    )
    const repository = registry.repository('a')
    await expect(tagsOf(repository)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await repository.exists(blob(Buffer.from('x')))
    expect(await tagsOf(repository)).toEqual([])
  })

  it('are not read without a limit', async () => {
    const [registry] = await start(() => list(['x'.repeat(1000)]), { maxMetadataBytes: 100 })
    await expect(tagsOf(registry.repository('a'))).rejects.toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
  })
})

describe('a link', () => {
  it('to itself, or in a circle, is an error', async () => {
    const [registry, server] = await start(() => list(['a'], '</v2/a/tags/list>; rel="next"'))
    await expect(tagsOf(registry.repository('a'))).rejects.toMatchObject({
      code: 'RESPONSE',
      message: expect.stringContaining('circle'),
    })
    expect(server.requests).toHaveLength(1)
    const [circle] = await start(({ url }) =>
      list([], `</v2/a/tags/list?p=${url.endsWith('1') ? 2 : 1}>; rel=next`),
    )
    await expect(tagsOf(circle.repository('a'))).rejects.toMatchObject({ code: 'RESPONSE' })
  })

  it.each(['http://127.0.0.1:1/v2/a/tags/list', '//127.0.0.2/x', 'https://127.0.0.1/x', 'file:///x'])(
    'to %s is not followed',
    async (link) => {
      const [registry, server] = await start(() => list(['a'], `<${link}>; rel="next"`))
      await expect(tagsOf(registry.repository('a'))).rejects.toMatchObject({ code: 'RESPONSE' })
      expect(server.requests).toHaveLength(1)
    },
  )

  it.each([
    ['</a>; rel="next"', '/a'],
    ['</a>; rel=next', '/a'],
    ['</a>;rel="NEXT"; title="x"', '/a'],
    ['</a>; rel="prev", </b>; rel="next"', '/b'],
    ['</a?x=,;>; title="y"; rel="next"', '/a?x=,;'],
    ['</a>; rel="prev"', undefined],
    ['</a>', undefined],
    ['/a; rel="next"', undefined],
    ['', undefined],
    ['<', undefined],
  ])('%s leads to %s', async (header, target) => {
    expect(await pathsAsked(header)).toEqual(target === undefined ? ['/first'] : ['/first', target])
  })

  it.each(['<', '<>', '<a>;', ' ', '; rel=', '<a>; rel= '])(
    'header of many %j is read in linear time',
    async (part) => {
      const started = performance.now()
      await pathsAsked(part.repeat(50_000))
      expect(performance.now() - started).toBeLessThan(1000)
    },
  )
})

describe('the catalog', () => {
  it('is asked for without the size of a page that is too large', async () => {
    const [registry, server] = await start(({ url }) =>
      url.includes('n=') ? { status: 413 } : { status: 200, body: '{"repositories":["b"]}' },
    )
    expect(await Array.fromAsync(registry.repositories({ limit: 7 }))).toEqual(['b'])
    expect(server.lines).toEqual(['GET /v2/_catalog?n=7', 'GET /v2/_catalog'])
  })

  it('lists repositories of all pages, and nothing else', async () => {
    const answers: Answer[] = [
      {
        status: 200,
        headers: { link: '</v2/_catalog?last=b%2Fc&n=2>; rel="next"' },
        body: '{"repositories":["a","b/c","../x","UPPER",null]}',
      },
      { status: 200, body: '{"repositories":["d"]}' },
    ]
    const [registry, server] = await start(() => answers.shift() ?? { status: 500 })
    expect(await Array.fromAsync(registry.repositories())).toEqual(['a', 'b/c', 'd'])
    expect(server.lines).toEqual(['GET /v2/_catalog', 'GET /v2/_catalog?last=b%2Fc&n=2'])
  })

  it('takes last and limit', async () => {
    const [registry, server] = await start(() => ({ status: 200, body: '{"repositories":["b","c","d"]}' }))
    expect(await Array.fromAsync(registry.repositories({ last: 'b', limit: 1 }))).toEqual(['c'])
    expect(server.lines).toEqual(['GET /v2/_catalog?n=1&last=b'])
  })

  it.each([
    [401, 'AUTH'],
    [404, 'NOT_FOUND'],
    [405, 'RESPONSE'],
  ])('that is refused with %d is an error', async (status, code) => {
    const [registry] = await start(() => ({ status }))
    await expect(Array.fromAsync(registry.repositories())).rejects.toMatchObject({ code })
  })
})

describe('a registry', () => {
  it.each(['', 'a/b', 'host:port', 'http://x', 'x y', 'user@host', 'host:99999'])(
    'is not called %j',
    (name) => {
      expect(() => new Registry(name)).toThrow(expect.objectContaining({ code: 'INVALID_REFERENCE' }))
    },
  )

  it('is Docker Hub by each of its names', async () => {
    for (const name of ['docker.io', 'index.docker.io', 'registry-1.docker.io']) {
      await using registry = new Registry(name)
      expect(registry.registry).toBe('docker.io')
      expect(registry.repository('alpine').repository).toBe('library/alpine')
    }
  })

  it('shares its connections with its repositories', async () => {
    const [registry, server] = await start(() => ({ status: 404 }))
    await registry.repository('a').exists(blob(Buffer.from('x')))
    await registry.repository('b').exists(blob(Buffer.from('x')))
    expect(await server.connections()).toBe(1)
  })
})
