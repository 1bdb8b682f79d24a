using Dma.Machine;

namespace Dma.Hal;

/// <summary>A device whose own translations have to be invalidated, too.</summary>
/// <param name="Source">The requester.</param>
/// <param name="Control">Its ATS capability.</param>
internal readonly record struct DeviceTlbTarget(SourceId Source, DeviceTlbControl Control);
