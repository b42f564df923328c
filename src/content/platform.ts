import { arch, platform } from 'node:process'

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md#image-index-property-descriptions */
export interface Platform {
  /** As Go names it: `amd64`, `arm64`. */
  readonly architecture: string
  /** As Go names it: `linux`, `windows`. */
  readonly os: string
  /** Of Windows: `10.0.17763.1234`. */
  readonly 'os.version'?: string
  /** What the image needs of the system, such as `win32k`. */
  readonly 'os.features'?: readonly string[]
  /** Of the processor: `v8` of arm64. */
  readonly variant?: string
}

/** Reads `os/architecture[/variant][:os.version]`; `local` is the platform that this runs on. Error: RangeError. */
export function parsePlatform(text: string): Platform {
  if (text === 'local') return localPlatform()
  const colon = text.indexOf(':')
  const [os, architecture, variant, ...rest] = (colon === -1 ? text : text.slice(0, colon)).split('/')
  if (!os || !architecture || variant === '' || rest.length > 0 || colon === text.length - 1) {
    throw new RangeError(
      `${JSON.stringify(text)} is not a platform: expected os/architecture[/variant][:os.version]`,
    )
  }
  return {
    architecture,
    os,
    ...(variant !== undefined && { variant }),
    ...(colon !== -1 && { 'os.version': text.slice(colon + 1) }),
  }
}

/** The form that `parsePlatform` reads. */
export function formatPlatform({ os, architecture, variant, 'os.version': version }: Platform): string {
  return `${os}/${architecture}${variant === undefined ? '' : `/${variant}`}${version === undefined ? '' : `:${version}`}`
}

/**
 * True if content for `offered` runs on `wanted`: the same system and architecture; variant, version and features
 * only as far as they are wanted. `arm64` is `arm64/v8` and `arm` is `arm/v7`, as in containerd.
 */
export function matchesPlatform(offered: Platform, wanted: Platform): boolean {
  return (
    offered.os === wanted.os &&
    offered.architecture === wanted.architecture &&
    (wanted.variant === undefined || variantOf(offered) === variantOf(wanted)) &&
    (wanted['os.version'] === undefined || offered['os.version'] === wanted['os.version']) &&
    (wanted['os.features'] ?? []).every((feature) => offered['os.features']?.includes(feature) === true)
  )
}

/** The platform that this process runs on, in the words of Go, which the spec uses. */
export function localPlatform(): Platform {
  return {
    os: platform === 'win32' ? 'windows' : platform,
    architecture: architectures.get(arch) ?? arch,
  }
}

const architectures: ReadonlyMap<string, string> = new Map([
  ['x64', 'amd64'],
  ['ia32', '386'],
  ['mipsel', 'mipsle'],
  ['ppc64', 'ppc64le'],
])

const defaultVariants: ReadonlyMap<string, string> = new Map([
  ['arm64', 'v8'],
  ['arm', 'v7'],
])

function variantOf({ architecture, variant }: Platform): string | undefined {
  return variant ?? defaultVariants.get(architecture)
}
