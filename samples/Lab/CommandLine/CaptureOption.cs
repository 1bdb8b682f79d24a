namespace Dma.Lab;

/// <summary>The option <c>--pcap</c>: a capture of what goes over the USB buses.</summary>
internal sealed class CaptureOption() : NewFileOption("--pcap", "capture", "Capture the USB buses in a file for Wireshark (pcapng, one interface for each bus).");
