// A picture of the person before the machine.

/** Why there is none: a name of an entry of the catalogues below `camera.refused`; `words`: the browser's, where no name fits. */
export class NoCamera extends Error {
  constructor(readonly why: "insecure" | "forbidden" | "none" | "other", words = "") {
    super(words);
  }
}

/** Asks the person for leave. Throws NoCamera. */
export async function openCamera(): Promise<MediaStream> {
  // Browsers hide the camera from pages that came without encryption, unless they came from this machine.
  if (!navigator.mediaDevices) throw new NoCamera("insecure");
  return navigator.mediaDevices.getUserMedia({ video: { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 960 } } }).catch((error: unknown) => {
    const name = error instanceof DOMException ? error.name : "";
    throw new NoCamera(name === "NotAllowedError" ? "forbidden" : name === "NotFoundError" ? "none" : "other", error instanceof Error ? error.message : String(error));
  });
}

/** What the camera shows, as a file. */
export function takePicture(video: HTMLVideoElement): Promise<File> {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d")!.drawImage(video, 0, 0);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => { if (blob) resolve(new File([blob], "camera.jpg", { type: blob.type })); else reject(new NoCamera("other")); }, "image/jpeg", 0.95);
  });
}
