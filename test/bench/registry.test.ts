import { join } from 'node:path'
import { request } from 'undici'
import { expect, it } from 'vitest'
import { contestantRequests, harnessAgent, startRegistry } from '../../bench/registry.ts'
import { newFolder } from '../support/folder.ts'
import { describePeers } from '../support/peers.ts'

const line = (what: string, status: number, agent: string): string =>
  `127.0.0.1 - - [21/Nov/2026:08:31:05 +0000] "${what} HTTP/1.1" ${status} 96 "" "${agent}"`
const error =
  'time="2026-11-21T08:31:05Z" level=error msg="response completed with error" ' +
  'http.request.useragent=node http.response.status=404 http.response.written=96'

it('counts the lines of the access log, less those of the harness and of errors', () => {
  const log = [
    line('GET /v2/', 200, harnessAgent),
    error,
    line('GET /v2/x/manifests/v1', 404, 'node'),
    line('PUT /v2/x/blobs/uploads/id?digest=sha256%3A00', 201, 'skopeo/1.9.3'),
    line('HEAD /v2/x/blobs/sha256:00', 200, ''),
    line('GET /v2/', 200, `${harnessAgent} mark-1`),
    '',
  ]
  expect(contestantRequests(log.join('\n'))).toBe(3)
  expect(contestantRequests('')).toBe(0)
})

for (const program of ['registry', 'docker-registry'] as const) {
  describePeers([program], `the requests to ${program}`, () => {
    it('are counted when they are answered, the failed ones too, and nothing is left of it', async () => {
      await using folder = await newFolder()
      const directory = join(folder.path, 'registry')
      const { signal } = new AbortController()
      const registry = await startRegistry(directory, signal)
      try {
        expect(await registry.requests()).toBe(0)
        for (const method of ['GET', 'HEAD'] as const) {
          const response = await request(`http://${registry.host}/v2/x/manifests/v1`, { method })
          await response.body.dump()
        }
        expect(await registry.requests()).toBe(2)
        expect(await registry.requests()).toBe(2)
      } finally {
        await registry.close()
      }
      await expect(request(`http://${registry.host}/v2/`)).rejects.toThrow('ECONNREFUSED')
    })
  })
}
