// A session's address for others: on the clipboard, or to where the system shares things.

/** Browsers have the clipboard only on pages that came over https or from this machine; the old way works everywhere. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text: string): boolean {
  const focused = document.activeElement;
  const box = document.createElement("textarea");
  box.value = text;
  box.style.cssText = "position: fixed; opacity: 0";
  document.body.append(box);
  box.select();
  const done = document.execCommand("copy");
  box.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return done;
}

export const canShare = (): boolean => typeof navigator.share === "function";

/** Who closes the system's dialog wanted nothing. */
export const share = async (title: string, url: string): Promise<void> =>
  navigator.share({ title, url }).catch((error: unknown) => { if (!(error instanceof DOMException && error.name === "AbortError")) throw error; });
