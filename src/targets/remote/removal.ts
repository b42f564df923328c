import { UnsupportedError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import { ask, type Endpoint } from './endpoint.ts'
import { errorByStatus, responseError } from './transport/response.ts'

/**
 * Removes something of a repository.
 * Errors: NOT_FOUND; UNSUPPORTED where the registry does not remove such things.
 */
export async function removeAt(
  endpoint: Endpoint,
  path: string,
  what: string,
  options: SignalOptions,
): Promise<void> {
  const response = await ask(endpoint, { method: 'DELETE', to: path, actions: ['pull', 'delete'] }, options)
  // A 404 to the second attempt is the answer that the first one lost.
  const isGone = response.status === 404 && response.isRepeat === true
  if (isGone || [200, 202, 204].includes(response.status)) return response.discard()
  const error = await responseError(response, what)
  const isRefused =
    [400, 405, 501].includes(error.status) || error.errors.some(({ code }) => code === 'UNSUPPORTED')
  if (!isRefused) throw errorByStatus(error, what)
  throw new UnsupportedError(`${endpoint.registry} does not remove ${what}`, { cause: error })
}
