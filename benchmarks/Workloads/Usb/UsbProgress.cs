namespace Dma.Workloads;

/// <summary>How far a loaded controller has come.</summary>
/// <param name="Played">Packets of sound that came through to the speaker.</param>
/// <param name="Recorded">Packets of sound that came from the microphone.</param>
/// <param name="Lost">Packets of sound that were queued and did not come through, and intervals without one.</param>
/// <param name="Keys">Changes of keys.</param>
/// <param name="DiskBytes">Bytes that were read from the disk.</param>
internal readonly record struct UsbProgress(long Played, long Recorded, long Lost, long Keys, long DiskBytes);
