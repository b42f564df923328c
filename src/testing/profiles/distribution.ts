import { changeHeaders } from '../answers.ts'
import { on } from '../match.ts'
import { forgetBrokenUploads } from '../uploads.ts'
import type { Profile } from './profile.ts'
import { changeTags, ignoresSubjects, noDelete, noReferrersApi } from './traits.ts'

/**
 * distribution v2 and v3 (docker-registry). The row: "No referrers API at HEAD; Location absolute and built from Host /
 * forwarded headers unless relative URLs are on; `Range: 0-0` both for zero bytes and for one byte; DELETE 405 when
 * disabled; 4 MiB manifest cap; out-of-order 416; `tags: null` after the last page". An upload whose connection breaks
 * is over. Not played: the scope for cancelling an upload, the tags that its S3 storage lost.
 */
export function distribution(): Profile {
  return {
    limits: { maxMetadataBytes: 4 * 1024 * 1024 },
    faults: () => [
      changeHeaders({
        location: (location, { headers, origins }) => {
          if (!location?.startsWith('/')) return location
          const scheme = String(
            headers['x-forwarded-proto'] ?? new URL(origins.registry).protocol.slice(0, -1),
          )
          return `${scheme}://${String(headers['x-forwarded-host'] ?? headers.host)}${location}`
        },
      }),
      forgetBrokenUploads(),
      changeTags((tags) => (tags.length === 0 ? { tags: null } : {})),
      on({ endpoint: 'tags' }, changeHeaders({ 'content-type': 'application/json; charset=utf-8' })),
      noReferrersApi(),
      ignoresSubjects(),
      noDelete(),
    ],
  }
}
