namespace Dma.Vmm;

/// <summary>The registers of a controller as they lie in the state region of a VM.</summary>
public interface IControllerState
{
    /// <summary>The registers by their names in the manual.</summary>
    IReadOnlyList<(string Name, ulong Value)> Registers { get; }

    /// <summary>FRINDEX or MFINDEX.</summary>
    uint FrameIndex { get; }

    /// <summary>When the microframe of <see cref="FrameIndex"/> began, in nanoseconds since power-on: while the controller runs, the index goes on from there.</summary>
    ulong MicroframeNs { get; }
}
