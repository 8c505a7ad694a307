// Takes a portrait with the camera. A dialog of the browser's own: it keeps the focus, and Escape closes it.
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { NoCamera, openCamera, takePicture } from "../talk/camera";

interface Props {
  onPicture: (file: File) => void;
  onClose: () => void;
}

const asRefused = (error: unknown): NoCamera => (error instanceof NoCamera ? error : new NoCamera("other", String(error)));

export function Camera({ onPicture, onClose }: Props) {
  const { t } = useTranslation();
  const dialog = useRef<HTMLDialogElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const [ready, setReady] = useState(false);
  const [refused, setRefused] = useState<NoCamera | null>(null);
  useEffect(() => {
    const element = dialog.current!;
    if (!element.open) element.showModal();
    let left = false;
    const opening = openCamera();
    opening.then((stream) => { if (!left) video.current!.srcObject = stream; }, (error: unknown) => setRefused(asRefused(error)));
    return () => {
      left = true;
      element.close();
      // The lamp of the camera goes out.
      void opening.then((stream) => { for (const track of stream.getTracks()) track.stop(); }, () => undefined);
    };
  }, []);
  return (
    <dialog ref={dialog} className="shortcuts camera" aria-labelledby="camera" onClose={onClose}>
      <h2 id="camera">{t("camera.title")}</h2>
      {refused ? <p role="alert">{t(`camera.refused.${refused.why}`, { words: refused.message })}</p> : (
        <>
          <video ref={video} autoPlay muted playsInline aria-label={t("camera.preview")} onLoadedData={() => setReady(true)} />
          <p className="next">{t("camera.how")}</p>
        </>
      )}
      <div className="row">
        {!refused && <button type="button" className="primary" disabled={!ready} onClick={() => void takePicture(video.current!).then(onPicture, (error: unknown) => setRefused(asRefused(error)))}>{t("camera.take")}</button>}
        <button type="button" onClick={onClose}>{t("close")}</button>
      </div>
    </dialog>
  );
}
