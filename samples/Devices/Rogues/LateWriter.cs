using Dma.Machine;

namespace Dma.Devices;

/// <summary>A device that writes to its buffer when the buffer is not its own any more.</summary>
public sealed class LateWriter : RogueDevice
{
    /// <inheritdoc/>
    public override string Habit => "writes to its buffer after it was taken back";

    /// <summary>It uses the buffer as it may, so that caches know it.</summary>
    public override void Prepare(in RogueTarget target) => _ = Dma.Read(target.Buffer, new byte[Bytes]);

    /// <inheritdoc/>
    public override DmaStatus Misbehave(in RogueTarget target) => WriteMark(Dma, target.Buffer.Value);
}
