// Shows what a session makes now by WebRTC (WHEP): nothing is kept, so that nothing before or behind it can be seen.
import { ServerError, answerOf } from "./connection";

/** Why WebRTC shows nothing (any more); `words`: the server's, if it said something. */
export interface WhepEnd {
  why: "unsupported" | "refused" | "unconnected" | "lost";
  words: string;
}

export interface WhepEvents {
  /** The first frame is on the screen. */
  onFirstFrame: () => void;
  /** Once. */
  onEnd: (end: WhepEnd) => void;
}

/** Of the same machine it takes a fraction of a second; where no way leads to the server, browsers try for half a minute. */
const CONNECT_MS = 5000;

/** Starts at once; the returned function ends it, and tells the server. */
export function watchNow(video: HTMLVideoElement, session: string, hasSound: boolean, events: WhepEvents): () => void {
  let over = false, viewer: string | null = null, timer = 0;
  let peer: RTCPeerConnection | null = null;
  const tracks = new MediaStream();
  video.srcObject = tracks;
  const firstFrame = video.requestVideoFrameCallback(events.onFirstFrame);

  const leave = (): void => {
    over = true;
    window.clearTimeout(timer);
    video.cancelVideoFrameCallback(firstFrame);
    peer?.close();
    // It may be gone already.
    if (viewer !== null) void answerOf("DELETE", `sessions/${session}/whep/${viewer}`).catch(() => undefined);
    viewer = null;
  };
  const end = (why: WhepEnd["why"], words = ""): void => {
    if (over) return;
    // The server has noticed, or does within seconds; if it hung up itself there is nobody to tell.
    if (why === "lost") viewer = null;
    leave();
    events.onEnd({ why, words });
  };

  const connect = async (): Promise<void> => {
    if (typeof RTCPeerConnection === "undefined") return end("unsupported");
    const connection = peer = new RTCPeerConnection();
    connection.ontrack = ({ track }) => tracks.addTrack(track);
    connection.onconnectionstatechange = () => {
      if (connection.connectionState === "connected") window.clearTimeout(timer);
      if (["disconnected", "failed", "closed"].includes(connection.connectionState)) end("lost");
    };
    connection.addTransceiver("video", { direction: "recvonly" });
    if (hasSound) connection.addTransceiver("audio", { direction: "recvonly" });
    await connection.setLocalDescription(await connection.createOffer());
    const answer = await answerOf("POST", `sessions/${session}/whep`, { headers: { "Content-Type": "application/sdp" }, body: connection.localDescription!.sdp });
    viewer = answer.headers.get("Location")?.split("/").at(-1) ?? null;
    if (over) return leave();
    timer = window.setTimeout(() => end("unconnected"), CONNECT_MS);
    await connection.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  };
  connect().catch((error: unknown) => {
    const words = error instanceof Error ? error.message : String(error);
    if (error instanceof ServerError) end("refused", words);
    else end("lost", words);
  });

  return () => {
    leave();
    video.srcObject = null;
  };
}
