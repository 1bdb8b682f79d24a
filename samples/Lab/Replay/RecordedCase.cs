using Dma.Iommu;
using Dma.Machine;

namespace Dma.Lab;

/// <summary>A recorded script and what another implementation answered to each of its steps.</summary>
/// <param name="Id">Its name, with its group in front.</param>
/// <param name="Title">What it shows.</param>
/// <param name="Hardware">The unit that the recorder's capability registers describe.</param>
/// <param name="Devices">The devices by their names in the steps.</param>
/// <param name="Steps">What is done, in order.</param>
internal sealed record RecordedCase(
    string Id, string Title, HardwareProfile Hardware, IReadOnlyDictionary<string, RecordedDevice> Devices, IReadOnlyList<RecordedStep> Steps);

/// <summary>A device of a case.</summary>
/// <param name="Source">Where it is plugged in, and so its requester.</param>
/// <param name="AddressMask">The bits of an address that its DMA can carry.</param>
internal sealed record RecordedDevice(SourceId Source, ulong AddressMask);
