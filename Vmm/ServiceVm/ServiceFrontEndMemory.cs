using System.Runtime.CompilerServices;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The way of a service VM to pages of a front end: it has none of that memory, and asks the VMM for each piece.</summary>
/// <param name="stack">The stack of the service VM.</param>
/// <param name="calls">Its hypercalls.</param>
/// <param name="frontEnd">The number of the front end.</param>
internal sealed class ServiceFrontEndMemory(IUsbStack stack, ServiceCalls calls, int frontEnd) : IFrontEndMemory
{
    /// <inheritdoc/>
    public ValueTask<UrbBuffer?> TryOpen(ReadOnlyMemory<UrbSegment> segments, bool isWritten) => new(new Buffer(stack, calls, frontEnd, segments));

    /// <summary>Nothing is in use until it is mapped, or while it is copied.</summary>
    private sealed class Buffer(IUsbStack stack, ServiceCalls calls, int frontEnd, ReadOnlyMemory<UrbSegment> segments) : UrbBuffer(stack, segments)
    {
        public override async ValueTask<bool> TryRead(Memory<byte> bytes)
        {
            if (await Stack.TryAllocate(bytes.Length) is not { } scratch)
                return false;
            bool isDone = await CopyIn(scratch.Memory!, bytes.Length);
            if (isDone)
                scratch.Memory!.Read(0, bytes.Span);
            await Stack.Release(scratch);
            return isDone;
        }

        public override async ValueTask<bool> TryWrite(ReadOnlyMemory<byte> bytes)
        {
            if (await Stack.TryAllocate(bytes.Length) is not { } scratch)
                return false;
            scratch.Memory!.Write(0, bytes.Span);
            bool isDone = await CopyOut(scratch.Memory, 0, bytes.Length);
            await Stack.Release(scratch);
            return isDone;
        }

        [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
        protected override async ValueTask<(UrbStatus Status, HostUsbBuffer? Buffer)> TryMap(int length, DmaDirection direction)
        {
            GrantMapFlags flags = direction == DmaDirection.ToDevice ? GrantMapFlags.Device | GrantMapFlags.ReadOnly : GrantMapFlags.Device;
            HypercallResult result = await calls.Map(frontEnd, flags, Segments);
            return result.Refusal switch
            {
                DmaRefusal.None => (UrbStatus.Ok, new(new(result.Value + Segments.Span[0].Offset), length, Memory: null)),
                DmaRefusal.Exhausted => (UrbStatus.Ok, null),
                _ => (UrbStatus.Invalid, null),
            };
        }

        // Where it is refused, the guest or this VM has ended, and nothing is mapped any more.
        [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
        protected override async ValueTask Unmap(HostUsbBuffer mapped) =>
            _ = await calls.Unmap(frontEnd, mapped.DeviceAddress.Value & ~(ulong)(SharedRing.PageBytes - 1));

        [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
        protected override async ValueTask<bool> CopyIn(MemoryBuffer to, int length) =>
            (await calls.Copy(frontEnd, isWritten: false, Part(0, length), to.Address)).Refusal == DmaRefusal.None;

        [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
        protected override async ValueTask<bool> CopyOut(MemoryBuffer from, int offset, int length) =>
            (await calls.Copy(frontEnd, isWritten: true, Part(offset, length), from.Address + (ulong)offset)).Refusal == DmaRefusal.None;

        private ReadOnlyMemory<UrbSegment> Part(int offset, int length)
        {
            if (offset == 0 && length == TotalOf(Segments.Span))
                return Segments;
            List<UrbSegment> part = [];
            foreach (UrbSegment segment in Segments.Span)
            {
                int skip = Math.Min(offset, segment.Length);
                int step = Math.Min(segment.Length - skip, length);
                if (step != 0)
                    part.Add(segment with { Offset = (ushort)(segment.Offset + skip), Length = (ushort)step });
                offset -= skip;
                length -= step;
            }

            return part.ToArray();
        }

        private static int TotalOf(ReadOnlySpan<UrbSegment> segments)
        {
            int bytes = 0;
            foreach (UrbSegment segment in segments)
                bytes += segment.Length;
            return bytes;
        }
    }
}
