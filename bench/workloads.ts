import type { ImageShape } from './image.ts'

/** A copy that is measured. */
export interface Workload {
  /** The image's name and the two ends: `big registry-layout`. */
  readonly name: string
  readonly title: string
  readonly image: ImageShape
  readonly from: 'registry' | 'layout'
  readonly to: 'registry' | 'layout'
  /** The destination has the image under its tag already. */
  readonly isThere: boolean
  /** Our wall time may be so many times that of the fastest peer. */
  readonly wallLimit?: number
}

const mebibyte = 1024 * 1024

/**
 * All workloads, those of one image next to each other.
 * `scale` makes the data smaller: the size of a large layer, the number of small ones.
 */
export function workloads(scale = 1): readonly Workload[] {
  const big = { name: 'big', layers: 1, layerBytes: Math.ceil(1024 * mebibyte * scale) }
  const twelve = { name: 'twelve', layers: 12, layerBytes: Math.ceil(50 * mebibyte * scale) }
  const small = { name: 'small', layers: Math.ceil(2000 * scale), layerBytes: 8 * 1024 }
  return [
    workload(big, 'registry', 'layout', 1.5),
    workload(big, 'layout', 'registry', 1.5),
    workload(big, 'registry', 'registry', 2.5),
    workload(twelve, 'registry', 'layout', 2.5),
    workload(twelve, 'layout', 'registry', 2.5),
    workload(twelve, 'registry', 'registry', 2.5),
    {
      ...workload(twelve, 'registry', 'registry'),
      name: 'unchanged registry-registry',
      title: 'unchanged image, registry to registry',
      isThere: true,
    },
    workload(small, 'registry', 'layout', 0.8),
    workload(small, 'registry', 'registry', 0.8),
  ]
}

function workload(
  image: ImageShape,
  from: Workload['from'],
  to: Workload['to'],
  wallLimit?: number,
): Workload {
  return {
    name: `${image.name} ${from}-${to}`,
    title: `${image.layers} x ${sizeOf(image.layerBytes)}, ${from} to ${to}`,
    image,
    from,
    to,
    isThere: false,
    ...(wallLimit !== undefined && { wallLimit }),
  }
}

function sizeOf(bytes: number): string {
  return bytes < mebibyte ? `${Math.round(bytes / 1024)} KiB` : `${Math.round(bytes / mebibyte)} MiB`
}
