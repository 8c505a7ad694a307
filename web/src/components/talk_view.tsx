// A portrait that talks: choose it, speak or give a sound file, and watch. The live part is in talk/conversation.ts.
import { type DragEvent, useEffect, useEffectEvent, useReducer, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import * as api from "../api";
import { type Conversation, type Figures, converse } from "../talk/conversation";
import { SPEECH_HZ } from "../talk/packets";
import { type Session, initialState, reduce } from "../state";
import type { Size } from "../sizes";
import { useStored } from "../stored";
import { Camera } from "./camera";
import { Controls } from "./controls";
import { KnownWords } from "./known_words";
import { SizeChoice } from "./size_choice";
import { TextToSpeak } from "./text_to_speak";
import { Timeline } from "./timeline";
import { type Microphone, openMicrophone, readSound, speakAtItsTime } from "../talk/speech";

/** Time without speech after which a head rests: it costs the server as much as a head that talks. */
const REST_AFTER_MS = 60_000;
/** Seconds of speech that are converted to motion at once: short, so that the answer comes soon. */
const CHUNK_S = 0.2;
/** That the time line shows: what was said a while ago is gone. */
const SHOWN_BLOCKS = 32;
const NO_FIGURES: Figures = { lagSeconds: null, firstPictureSeconds: null, pictures: 0 };

interface Props {
  model: api.ModelInfo;
  onError: (error: unknown) => void;
}

interface Chosen {
  file: File;
  url: string;
  /** Name of the example, if it is one; else empty. */
  example: string;
}

/** State of a live portrait. */
interface Live {
  conversation: Conversation;
  session: Promise<api.PortraitSession>;
  stopFile: (() => void) | null;
  restTimer: number;
  stopEvents: () => void;
}

type Phase = "resting" | "starting" | "listening" | "speaking";

export function TalkView({ model, onError }: Props) {
  const { t } = useTranslation();
  const [portrait, setPortrait] = useState<Chosen | null>(null);
  const [sound, setSound] = useState<File | null>(null);
  const [crop, setCrop] = useStored(`rushes.talk.${model.name}.crop`, true);
  const [faces, setFaces] = useState<number[]>([]);
  const [face, setFace] = useState(0);
  const [phase, setPhase] = useState<Phase>("resting");
  const [held, setHeld] = useState(false);
  const [muted, setMuted] = useState(false);
  const [figures, setFigures] = useState(NO_FIGURES);
  const [saving, setSaving] = useState(false);
  const [camera, setCamera] = useState(false);
  /** What the face of a video made of the portrait: its address; empty: it is being made. */
  const [driven, setDriven] = useState<string | null>(null);
  const [kept, setKept] = useStored<api.OptionValues>(`rushes.talk.${model.name}.controls`, {});
  // What a model had once it may not have now.
  const set = Object.fromEntries(Object.entries(kept).filter(([name]) => model.controls.some((each) => each.name === name)));
  const [prompt, setPrompt] = useStored(`rushes.talk.${model.name}.prompt`, "");
  const [size, setSize] = useState<Size | null>(null);
  const [made, dispatch] = useReducer(reduce, initialState);
  const stage = useRef<HTMLDivElement>(null);
  const pictureChooser = useRef<HTMLInputElement>(null);
  const driverChooser = useRef<HTMLInputElement>(null);
  const soundChooser = useRef<HTMLInputElement>(null);
  const live = useRef<Live | null>(null);
  const microphone = useRef<Promise<Microphone> | null>(null);
  const listening = useRef(false);
  const told = useRef("");
  const driving = useRef(0);

  const forgetDriven = (): void => {
    driving.current += 1;
    setDriven((before) => {
      if (before) URL.revokeObjectURL(before);
      return null;
    });
  };
  const end = (): void => {
    forgetDriven();
    live.current?.conversation.end();
  };
  const choosePortrait = (file: File, example = ""): void => {
    end();
    setFaces([]);
    setFace(0);
    setPortrait((before) => {
      if (before) URL.revokeObjectURL(before.url);
      return { file, url: URL.createObjectURL(file), example };
    });
  };
  const chooseExample = (example: api.Example): void => {
    api.exampleFile(example).then((file) => choosePortrait(file, example.name), onError);
  };
  const chooseNone = (): void => {
    end();
    setFaces([]);
    setPortrait((before) => {
      if (before) URL.revokeObjectURL(before.url);
      return null;
    });
  };
  const ready = portrait !== null || !model.needsImage;
  const wanted = (): api.Portrait => ({ file: portrait?.file ?? null, prompt, crop, face, size });
  const first = useEffectEvent(() => { if (model.portraits[0]) chooseExample(model.portraits[0]); });

  useEffect(() => {
    first();
    const leave = (): void => live.current?.conversation.end();
    window.addEventListener("pagehide", leave);
    return () => {
      window.removeEventListener("pagehide", leave);
      leave();
      void microphone.current?.then((opened) => opened.close(), () => undefined);
      microphone.current = null;
    };
  }, []);

  // ---- live ----
  const rest = (): number => window.setTimeout(end, REST_AFTER_MS);
  /** The conversation that goes on, or a new one. To be called from a click. */
  const start = (): Live | null => {
    if (live.current || !ready) return live.current;
    forgetDriven();
    setPhase("starting");
    setFigures(NO_FIGURES);
    told.current = prompt.trim();
    const session = api.createPortrait(model, wanted(), set, CHUNK_S);
    session.then((begun) => {
      if (begun.faces.length > 1) setFaces(begun.faces);
      if (live.current?.session !== session) return;
      dispatch({ type: "created", session: begun.session });
      live.current.stopEvents = api.followEvents(begun.id, (event) => dispatch({ type: "event", id: begun.id, event }));
    }, () => undefined);
    const line = session.then(({ id, mimeType }) => ({ address: api.liveVideoUrl(id), mimeType, speech: api.speechUrl(id, SPEECH_HZ) }));
    const conversation = converse(stage.current!, line, {
      onFigures: (now) => {
        setFigures(now);
        setPhase((before) => (before === "starting" ? "listening" : before));
      },
      onEnd: (reason) => {
        void session.then(({ id }) => api.remove(id)).catch(() => undefined);
        live.current?.stopFile?.();
        live.current?.stopEvents();
        window.clearTimeout(live.current?.restTimer);
        live.current = null;
        listening.current = false;
        setHeld(false);
        setPhase("resting");
        if (reason !== null) onError(new Error(reason));
      },
    });
    conversation.mute(muted);
    live.current = { conversation, session, stopFile: null, restTimer: rest(), stopEvents: () => undefined };
    return live.current;
  };
  const stopFile = (): void => {
    const now = live.current;
    if (!now) return;
    now.stopFile?.();
    now.stopFile = null;
    window.clearTimeout(now.restTimer);
    now.restTimer = rest();
    setPhase("listening");
  };
  const heard = (samples: Float32Array): void => {
    if (listening.current) live.current?.conversation.speak(samples);
  };

  const press = (): void => {
    if (held || !start()) return;
    stopFile();
    window.clearTimeout(live.current?.restTimer);
    listening.current = true;
    setHeld(true);
    microphone.current ??= openMicrophone(heard);
    microphone.current.catch((error: unknown) => {
      microphone.current = null;
      release();
      onError(error);
    });
  };
  const release = (): void => {
    if (!listening.current) return;
    listening.current = false;
    setHeld(false);
    stopFile();
  };

  const control = (changed: api.OptionValues): void => {
    setKept({ ...set, ...changed });
    const now = live.current;
    now?.session.then(({ id }) => api.setOptions(id, changed)).catch((error: unknown) => { if (live.current === now) onError(error); });
  };

  /** Other words change what is seen from the next block on. */
  const describe = (): void => {
    const now = live.current;
    const words = prompt.trim();
    if (!now || words === "" || words === told.current) return;
    told.current = words;
    now.session.then(({ id }) => api.sendPrompt(id, words)).catch((error: unknown) => { if (live.current === now) onError(error); });
  };

  const say = (file: File): void => {
    setSound(file);
    const now = start();
    if (!now) return;
    stopFile();
    setPhase("starting");
    readSound(file).then(async (samples) => {
      await now.conversation.ready;
      if (live.current !== now) return;
      window.clearTimeout(now.restTimer);
      setPhase("speaking");
      now.stopFile = speakAtItsTime(samples, now.conversation.speak, stopFile);
    }, (error: unknown) => {
      setSound(null);
      stopFile();
      onError(error);
    });
  };
  const drive = async (video: File): Promise<void> => {
    end();
    const mine = driving.current;
    setDriven("");
    try {
      const made = URL.createObjectURL(await api.drivenVideo(portrait!.file, video, crop, face));
      if (driving.current === mine) setDriven(made);
      else URL.revokeObjectURL(made);
    } catch (error) {
      if (driving.current === mine) setDriven(null);
      onError(error);
    }
  };
  const save = async (): Promise<void> => {
    setSaving(true);
    try {
      const video = await api.talkVideo(model, wanted(), sound!, set);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(video);
      link.download = sound!.name.replace(/\.[^.]*$/, "") + ".mp4";
      link.click();
      window.setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    } catch (error) {
      onError(error);
    }
    setSaving(false);
  };

  const take = (file: File | undefined): void => {
    if (!file) return;
    if (file.type.startsWith("audio/") || file.type.startsWith("video/")) say(file);
    else choosePortrait(file);
  };
  const drop = (event: DragEvent): void => {
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  };

  const isLive = phase !== "resting";
  const shown = newestBlocks(made.sessions[0]);
  return (
    <section className="sessions alone" aria-label={t("views.talk")} onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      <article className={`session ${isLive ? "running" : ""}`}>
        <div className="screen talk">
          <div ref={stage} className="stage" />
          {portrait && !driven && (!isLive || figures.firstPictureSeconds === null) && <img src={portrait.url} alt={t("talk.thePortrait")} className={crop ? "crop" : ""} />}
          {driven && <video className="driven" src={driven} controls autoPlay loop aria-label={t("talk.driven")} />}
          {driven === "" && <div className="veil" role="status">{t("talk.driving")}</div>}
          {phase === "starting" && <div className="veil">{t("talk.firstFrame")}</div>}
          {!portrait && (!ready || !isLive) && <div className="veil">{ready ? t("talk.somebody") : t("talk.chooseOrDrop")}</div>}
          <span className="pill">{held ? t("talk.listeningToYou") : t(`talk.${phase}`)}</span>
        </div>
        <div className="details">
          <div className="portraits" role="group" aria-label={t("talk.portrait")}>
            {model.portraits.map((example) => (
              <button key={example.name} type="button" className="portrait" aria-pressed={portrait?.example === example.name} onClick={() => chooseExample(example)} aria-label={example.name}>
                <img src={example.url} alt="" />
              </button>
            ))}
            {portrait?.example === "" && <button type="button" className="portrait" aria-pressed={true} aria-label={portrait.file.name}><img src={portrait.url} alt="" /></button>}
            <input
              ref={pictureChooser} hidden type="file" accept="image/png,image/jpeg,image/webp" aria-label={t("talk.portraitImage")}
              onChange={(event) => { take(event.target.files?.[0]); event.target.value = ""; }}
            />
            <button type="button" onClick={() => pictureChooser.current!.click()}>{t("talk.choose")}</button>
            <button type="button" onClick={() => setCamera(true)}>{t("camera.open")}</button>
            {!model.needsImage && <button type="button" className="quiet" aria-pressed={!portrait} onClick={chooseNone}>{t("talk.fromWords")}</button>}
            {faces.length > 1 && (
              <select aria-label={t("talk.face")} value={face} onChange={(event) => { end(); setFace(Number(event.target.value)); }}>
                {faces.map((middle, index) => <option key={index} value={index}>{t("talk.faceAt", { number: index + 1, place: t(`talk.${place(middle)}`) })}</option>)}
              </select>
            )}
            {model.options.has("crop") && <button type="button" className="quiet" aria-pressed={!crop} onClick={() => { end(); setCrop(!crop); }}>{t("talk.wholeImage")}</button>}
            <SizeChoice sizes={model.trainedFor?.sizes ?? []} chosen={size} onSize={(wanted) => { end(); setSize(wanted); }} />
          </div>
          {model.takesPrompts && (
            <div className="words" onBlur={(event) => { if (!event.currentTarget.contains(event.relatedTarget)) describe(); }}>
              <label htmlFor="words">{t("talk.seen")}</label>
              <textarea
                id="words" rows={1} value={prompt} maxLength={10_000} placeholder="a woman with red hair speaking before a blue wall"
                onChange={(event) => setPrompt(event.target.value)}
                onKeyDown={(event) => { if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); event.currentTarget.blur(); } }}
              />
              <KnownWords model={model} text={prompt} onText={setPrompt} />
            </div>
          )}
          <p className="next">{t("talk.how")}</p>
          <Controls controls={model.controls} set={set} onSet={control} />
          {model.takesPrompts && shown && <Timeline session={shown} playedSeconds={-1} />}
          <dl className="measures">
            <div><dd>{seconds(figures.lagSeconds)}</dd><dt>{t("talk.delay")}</dt></div>
            <div><dd>{seconds(figures.firstPictureSeconds)}</dd><dt>{t("talk.untilFirst")}</dt></div>
            <div><dd>{figures.pictures}</dd><dt>{t("measure.frames")}</dt></div>
          </dl>
          <div className="row">
            <button
              type="button" className={`primary hold ${held ? "held" : ""}`} disabled={!ready} aria-pressed={held}
              onPointerDown={(event) => { if (event.button === 0) { event.currentTarget.setPointerCapture(event.pointerId); press(); } }}
              onPointerUp={release} onPointerCancel={release} onBlur={release} onContextMenu={(event) => event.preventDefault()}
              onKeyDown={(event) => { if ((event.key === " " || event.key === "Enter") && !event.repeat) { event.preventDefault(); press(); } }}
              onKeyUp={(event) => { if (event.key === " " || event.key === "Enter") release(); }}
            >
              {held ? t("talk.listens") : t("talk.hold")}
            </button>
            <input
              ref={soundChooser} hidden type="file" accept="audio/*,video/webm,video/mp4" aria-label={t("talk.audio")}
              onChange={(event) => { const file = event.target.files?.[0]; if (file) say(file); event.target.value = ""; }}
            />
            <button type="button" disabled={!ready} onClick={() => soundChooser.current!.click()}>{t("talk.audio")}</button>
            {model.speech.map((example) => (
              <button key={example.name} type="button" disabled={!ready} onClick={() => { start(); api.exampleFile(example).then(say, onError); }}>
                {t("talk.example", { name: model.speech.length > 1 ? example.name : "" }).trim()}
              </button>
            ))}
          </div>
          <TextToSpeak disabled={!ready} onBegin={start} onSpeech={say} onError={(error) => { stopFile(); onError(error); }} />
          <div className="row">
            <button type="button" disabled={phase !== "speaking"} title={t("talk.interruptTitle")} onClick={stopFile}>{t("talk.interrupt")}</button>
            {model.isDriven && (
              <>
                <input
                  ref={driverChooser} hidden type="file" accept="video/*" aria-label={t("talk.driver")}
                  onChange={(event) => { const file = event.target.files?.[0]; if (file) void drive(file); event.target.value = ""; }}
                />
                <button type="button" disabled={!portrait || driven === ""} title={t("talk.driverTitle")} onClick={() => driverChooser.current!.click()}>{t("talk.driver")}</button>
                {driven && <a className="button" href={driven} download="driven.mp4">{t("download")}</a>}
              </>
            )}
            <button type="button" className="quiet" aria-pressed={muted} onClick={() => { live.current?.conversation.mute(!muted); setMuted(!muted); }}>{muted ? t("talk.muted") : t("stage.mute")}</button>
            <button type="button" className="quiet" disabled={!sound || !ready || saving} onClick={() => void save()}>{saving ? t("talk.saving") : t("talk.save")}</button>
            <button type="button" className="stop" disabled={!isLive && driven === null} onClick={end}>{t("talk.end")}</button>
          </div>
        </div>
        {camera && <Camera onPicture={(file) => { setCamera(false); choosePortrait(file); }} onClose={() => setCamera(false)} />}
      </article>
    </section>
  );
}

const newestBlocks = (session: Session | undefined): Session | null =>
  session ? { ...session, blocks: session.blocks.slice(-SHOWN_BLOCKS) } : null;
const place = (middle: number): "left" | "right" | "middle" => (middle < 0.4 ? "left" : middle > 0.6 ? "right" : "middle");
const seconds = (value: number | null): string => (value === null ? "–" : `${value.toFixed(2)} s`);
