// Which sound from outside is decoded: containers and codecs as people call them and as FFmpeg does. What is left out
// either refers to other files (playlists, scripts) or is of no use for speech. Included by sources of media only.
#pragma once
#include <optional>
#include <span>
#include <string_view>

#include "rushes/media/decoded_stream.h"

namespace rushes::media {

inline constexpr libav::Readable kAudio{
    .type = AVMEDIA_TYPE_AUDIO,
    .what = "the audio",
    .formats = "WAV, MP3, FLAC, Ogg, WebM, MP4 or another format of docs/talking_heads.md",
    .codecs = "PCM, Opus, AAC, MP3 or another codec of docs/talking_heads.md",
    .demuxers =
        "wav,w64,aiff,au,caf,voc,mp3,flac,ogg,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,aac,ac3,eac3,amr,amrnb,amrwb,"
        "wv,tta,asf,avi,flv,mpeg,mpegts",
    .decoders =
        "pcm_s8,pcm_u8,pcm_s16le,pcm_s16be,pcm_u16le,pcm_u16be,pcm_s24le,pcm_s24be,pcm_u24le,pcm_s32le,pcm_s32be,"
        "pcm_u32le,pcm_s64le,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,pcm_dvd,pcm_bluray,pcm_alaw,pcm_mulaw,"
        "adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,adpcm_yamaha,adpcm_swf,adpcm_g722,g722,adpcm_g726,g726,adpcm_g726le,"
        "g726le,"
        "gsm,gsm_ms,libgsm,libgsm_ms,g723_1,g729,amrnb,amrwb,libopencore_amrnb,libopencore_amrwb,truespeech,nellymoser,"
        "speex,libspeex,opus,libopus,vorbis,libvorbis,aac,aac_latm,mp1float,mp1,mp2float,mp2,mp3float,mp3,ac3,eac3,"
        "wmav1,wmav2,wmapro,wmavoice,flac,alac,wavpack,tta"};

/// Of a file, or the beginning of a stream, by the mark that its format begins with, or by the first of its frames: the
/// demuxer. Nothing: there is none, or not enough of it. Sure::yes leaves out what the middle of a stream may have too.
/// `at_end`: no more bytes will come.
enum class Sure { no, yes };
std::optional<std::string_view> audio_format_of(std::span<const uint8_t> bytes, Sure sure, bool at_end = false);
/// A format may begin here, which more bytes would tell.
bool may_begin_format(std::span<const uint8_t> bytes);

}  // namespace rushes::media
