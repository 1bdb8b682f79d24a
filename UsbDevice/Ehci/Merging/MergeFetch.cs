using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>A structure that the controller behind a merge engine fetched.</summary>
/// <param name="Slot">Of which VM; -1 for the head of the asynchronous list, and for the beginning of the list of a frame.</param>
/// <param name="Type">What it is.</param>
/// <param name="Address">Where the VM has it, within its segment.</param>
/// <param name="IsPeriodic">From which list.</param>
/// <param name="FrameIndex">FRINDEX of the bus.</param>
/// <param name="IsHead">Whether the controller sees it marked as the head of the asynchronous list.</param>
public readonly record struct MergeFetch(int Slot, LinkType Type, uint Address, bool IsPeriodic, uint FrameIndex, bool IsHead);
