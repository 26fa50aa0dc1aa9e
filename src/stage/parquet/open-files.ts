/** Files that are read piece by piece: of many only the last ones are needed again, and stay open. */
import { type FileHandle, open } from 'node:fs/promises'

export class OpenFiles {
  private readonly opened = new Map<string, FileHandle>()

  /** @returns false where the file ends before `bytes` is full */
  async fill(path: string, bytes: Buffer, offset: number): Promise<boolean> {
    const file = this.opened.get(path) ?? (await this.open(path))
    const { bytesRead } = await file.read(bytes, 0, bytes.length, offset)
    return bytesRead === bytes.length
  }

  async close(): Promise<void> {
    for (const file of this.opened.values()) await file.close()
    this.opened.clear()
  }

  private async open(path: string): Promise<FileHandle> {
    const [oldest] = this.opened.keys()
    if (this.opened.size >= mostOpen && oldest !== undefined) {
      await this.opened.get(oldest)?.close()
      this.opened.delete(oldest)
    }
    const file = await open(path, 'r')
    this.opened.set(path, file)
    return file
  }
}

const mostOpen = 32
