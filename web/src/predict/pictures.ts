// Pictures that the person chose: as they go to the server, small ones for the page, and those kept for another try.

/** A picture that may be asked about. */
export interface ChosenPicture {
  name: string;
  blob: Blob;
  /** As `data:` address. */
  small: string;
}

/** A question with this many still fits into one request. */
export const MAX_PICTURES = 8;
const TAKEN = ["image/jpeg", "image/png", "image/webp"];
/** Of the longer side: more than the models look at. */
const MAX_SIDE = 2048;
const MAX_BYTES = 1 << 20;
const SMALL_SIDE = 160;

/** Throws Error if the browser cannot read it. Large ones, and those of kinds that the server does not take, become a JPEG. */
export async function choosePicture(file: File): Promise<ChosenPicture> {
  const image = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name || "This"} is not a picture that can be read.`);
  });
  try {
    const as_it_is = TAKEN.includes(file.type) && file.size <= MAX_BYTES && Math.max(image.width, image.height) <= MAX_SIDE;
    const blob = as_it_is ? file : await jpeg(image, MAX_SIDE, 0.9);
    return { name: file.name, blob, small: await dataUrl(await jpeg(image, SMALL_SIDE, 0.75)) };
  } finally {
    image.close();
  }
}

/** The same picture, small, as `data:` address. */
export async function smaller(blob: Blob): Promise<string> {
  const image = await createImageBitmap(blob);
  try {
    return await dataUrl(await jpeg(image, SMALL_SIDE, 0.75));
  } finally {
    image.close();
  }
}

async function jpeg(image: ImageBitmap, maxSide: number, quality: number): Promise<Blob> {
  const scale = Math.min(1, maxSide / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  const context = canvas.getContext("2d")!;
  context.fillStyle = "#fff";  // a JPEG has no transparency
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return await new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The picture cannot be drawn."))), "image/jpeg", quality));
}

const dataUrl = (blob: Blob): Promise<string> =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(new Error("The picture cannot be read."));
    reader.readAsDataURL(blob);
  });

// ---- kept for another try, also after a reload; storage for texts has no room for them ----

const STORE = "pictures";

const database = (): Promise<IDBDatabase> =>
  new Promise((resolve, reject) => {
    const opening = indexedDB.open("rushes.predictions", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(new Error("This browser keeps no pictures."));
  });

async function stored<T>(mode: IDBTransactionMode, request: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const opened = await database();
  try {
    return await new Promise((resolve, reject) => {
      const asking = request(opened.transaction(STORE, mode).objectStore(STORE));
      asking.onsuccess = () => resolve(asking.result);
      asking.onerror = () => reject(new Error("This browser keeps no pictures."));
    });
  } finally {
    opened.close();
  }
}

export const keepPictures = async (id: string, pictures: ChosenPicture[]): Promise<void> => {
  await stored("readwrite", (store) => store.put(pictures, id));
};

/** None: they were not kept. */
export const keptPictures = async (id: string): Promise<ChosenPicture[]> =>
  (await stored<ChosenPicture[] | undefined>("readonly", (store) => store.get(id) as IDBRequest<ChosenPicture[] | undefined>)) ?? [];

/** Another tab tells within this time that it has asked something. */
const TOLD_WITHIN_MS = 60_000;

/** All but those of these predictions are let go, and but those that another tab may have asked about just now. */
export const keepOnly = async (ids: ReadonlySet<string>): Promise<void> => {
  for (const key of await stored("readonly", (store) => store.getAllKeys()))
    if (typeof key === "string" && !ids.has(key) && Date.now() - Number.parseInt(key, 10) > TOLD_WITHIN_MS) await stored("readwrite", (store) => store.delete(key));
};
