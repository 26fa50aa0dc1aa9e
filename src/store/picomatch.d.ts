/** The part of picomatch that is used here; the package ships no types. */
declare module 'picomatch' {
  interface PicomatchOptions {
    dot?: boolean
  }
  interface Scan {
    /** The folders before the first glob character. */
    base: string
    isGlob: boolean
  }
  interface Picomatch {
    (glob: string, options?: PicomatchOptions): (text: string) => boolean
    scan(glob: string): Scan
  }
  const picomatch: Picomatch
  export default picomatch
}
