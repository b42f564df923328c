import { randomBytes } from 'node:crypto'
import { answerWith, changeStatus, refuseWith } from '../answers.ts'
import { on } from '../match.ts'
import { moveUploads } from '../uploads.ts'
import type { Profile } from './profile.ts'
import { changeTags, tokensAt } from './traits.ts'

/**
 * Google's Artifact Registry. The row: "no chunked upload, monolithic only; empty blob 400; relative Location under
 * `/artifacts-uploads/` with kilobyte-long path".
 */
export function gar(): Profile {
  return {
    faults: ({ tokens }) => [
      // Outside of the check of tokens, which reads the repository from the path.
      moveUploads(
        () => `/artifacts-uploads/namespaces/project/uploads/${randomBytes(1200).toString('base64url')}`,
      ),
      ...tokensAt('/v2/token', tokens, { service: 'gar.example' }),
      on(
        { method: 'PATCH', endpoint: 'upload' },
        refuseWith(405, 'UNSUPPORTED', 'chunked uploads are not supported'),
      ),
      on(
        {
          method: ['PUT', 'POST'],
          endpoint: ['upload', 'uploads'],
          when: ({ query }) => query.get('digest') === emptyDigest,
        },
        refuseWith(400, 'BLOB_UPLOAD_INVALID', 'an empty blob'),
      ),
    ],
  }
}

/**
 * Google's Container Registry. The row: "POST token 404, 204 on PATCH, every upload URL single-use, 403 on
 * non-`/v2/` ping, tag list carries extra `manifest`/`child` maps".
 */
export function gcr(): Profile {
  return {
    tokens: { refusesPostWith: 404 },
    faults: ({ tokens }) => [
      moveUploads(() => `/v2/uploads/${randomBytes(24).toString('base64url')}`, { isSingleUse: true }),
      ...tokensAt('/v2/token', tokens, { service: 'gcr.example' }),
      on({ when: ({ at, path }) => at === 'registry' && !path.startsWith('/v2/') }, answerWith(403)),
      on({ method: 'PATCH', endpoint: 'upload' }, changeStatus(204)),
      changeTags((tags) => ({
        child: ['nested'],
        manifest: Object.fromEntries(tags.map((tag, index) => [manifestKey(index), { tag: [tag] }])),
      })),
    ],
  }
}

/** The digest of nothing. */
const emptyDigest = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

function manifestKey(index: number): string {
  return `sha256:${index.toString(16).padStart(64, '0')}`
}
