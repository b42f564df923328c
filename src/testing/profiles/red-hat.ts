import { answerWith, insteadOf, refuseWith } from '../answers.ts'
import { on } from '../match.ts'
import type { Profile } from './profile.ts'
import { blobsInStorage, noReferrersApi } from './traits.ts'

/**
 * Red Hat's registries. The row: "Error code \"404\" or plain-text body from a CDN". Blobs come from that CDN, and
 * nothing can be pushed. Not played: multipart answers with unquoted boundaries.
 */
export function redHat(): Profile {
  return {
    faults: () => [
      on(
        { method: ['POST', 'PUT', 'PATCH', 'DELETE'] },
        answerWith(405, { headers: { 'content-type': 'text/plain' }, body: 'Method Not Allowed' }),
      ),
      noReferrersApi(
        answerWith(404, { headers: { 'content-type': 'text/plain' }, body: 'File not found."' }),
      ),
      blobsInStorage(403),
      on({ endpoint: ['manifest', 'tags'] }, insteadOf(404, refuseWith(404, '404', 'Not Found'))),
      on(
        { endpoint: 'blob' },
        insteadOf(
          404,
          answerWith(404, { headers: { 'content-type': 'text/plain' }, body: 'File not found."' }),
        ),
      ),
    ],
  }
}
