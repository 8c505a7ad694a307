// A session as the catalogue remembers it, and back: what a restarted server knows of the sessions before.
#pragma once
#include "rushes/delivery/catalogue.h"
#include "rushes/media/recorded_file.h"
#include "rushes/server/sessions/session_store.h"

namespace rushes::server {

delivery::CatalogueRow catalogue_row(const Hosted& entry);

/// The session of an earlier process whose recording is `file`, at `path`. One that had not ended has failed, unless
/// its video is complete. Of the picture that it began with only the fact is remembered (Entry::lost_image). Throws
/// Error(corrupt_data) if the row's details are not those of catalogue_row(), and as EncodedStream.
Hosted restore_entry(const delivery::CatalogueRow& row, const media::RecordedFile& file,
                     const std::filesystem::path& path);

/// The same row, which says why its recording cannot be used ("unreadable" of its details). What it said before stays,
/// for a time when the recording can be used again.
delivery::CatalogueRow unreadable_row(delivery::CatalogueRow row, std::string_view reason);

/// The row of a recording that no catalogue knows: named `id`, of unknown prompt.
delivery::CatalogueRow stray_row(std::string id, const media::RecordedFile& file, int64_t created_ms);

}  // namespace rushes::server
