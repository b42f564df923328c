import type { Descriptor } from '../content/descriptor.ts'
import type { Platform } from '../content/platform.ts'
import type { SignalOptions } from '../events.ts'
import type { Source } from '../targets/target.ts'
import type { Address } from './references.ts'
import { soleReference } from './sole-reference.ts'

/** What a command looks for at an address. */
export interface ResolveAddressOptions extends SignalOptions {
  readonly platform?: Platform | undefined
}

/** The node that an address names, or the image in it for a platform. Errors: as `soleReference` and `selectPlatform`. */
export async function resolveAddress(
  source: Source,
  address: Address,
  { platform, ...options }: ResolveAddressOptions,
): Promise<Descriptor> {
  const found = await source.resolve(await soleReference(source, address, options), options)
  if (platform === undefined) return found
  const { selectPlatform } = await import('../copy/select-platform.ts')
  return selectPlatform(source, found, platform, options)
}
