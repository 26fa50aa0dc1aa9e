/**
 * Where words go. Results go to standard output, everything people read beside them (receipts, progress, warnings,
 * failures) to standard error, so that `lakewright query … | sort` gets rows and nothing else. With `--json` standard
 * output carries exactly one JSON object.
 */

/** A result. Resolves when the reader has taken it, rejects with EPIPE when the reader has gone. */
export function print(text: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()))
  })
}

export function printLine(text: string): Promise<void> {
  return print(`${text}\n`)
}

export function printJson(value: unknown): Promise<void> {
  return printLine(toJson(value))
}

/** A line for people. In a terminal it takes the place of a progress line, which is drawn again below it. */
export function tell(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${text}\n` : `${text}\n`)
}

/** Integers beyond 2^53 become strings (CONTRACT §1); everything else is JSON already. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, entry: unknown) => {
    if (typeof entry !== 'bigint') return entry
    return entry >= Number.MIN_SAFE_INTEGER && entry <= Number.MAX_SAFE_INTEGER ? Number(entry) : String(entry)
  })
}

export function isClosedPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && ['EPIPE', 'ERR_STREAM_DESTROYED'].includes(String(error.code))
}

/** Waits until what was written has left the process. */
export async function flush(): Promise<void> {
  await Promise.all(
    [process.stdout, process.stderr].map((stream) => new Promise<void>((resolve) => stream.write('', () => resolve()))),
  )
}
