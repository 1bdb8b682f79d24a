using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The way of the host's back end to pages of its front end: it has all memory, and keeps itself to the grants.</summary>
/// <param name="controller">The host's stack.</param>
/// <param name="memory">The memory of the host.</param>
/// <param name="grants">The grants of the guest.</param>
internal sealed class HostFrontEndMemory(IHostUsbController controller, PhysicalMemory memory, IGrants grants) : IFrontEndMemory
{
    /// <inheritdoc/>
    public ValueTask<UrbBuffer?> TryOpen(ReadOnlyMemory<UrbSegment> segments, bool isWritten)
    {
        List<GrantedPage> pages = [];
        foreach (UrbSegment segment in segments.Span)
        {
            if (grants.TryTake(segment.Grant, isWritten, out GrantedPage page))
            {
                pages.Add(page);
                continue;
            }

            foreach (GrantedPage taken in pages)
                grants.Return(taken);
            return new((UrbBuffer?)null);
        }

        return new(new Buffer(controller, memory, grants, segments, pages));
    }

    /// <summary>Pages are in use as long as this is.</summary>
    private sealed class Buffer(IHostUsbController controller, PhysicalMemory memory, IGrants grants, ReadOnlyMemory<UrbSegment> segments, List<GrantedPage> pages)
        : UrbBuffer(controller, segments)
    {
        public override ValueTask<bool> TryRead(Memory<byte> bytes)
        {
            Read(bytes.Span);
            return new(true);
        }

        public override ValueTask<bool> TryWrite(ReadOnlyMemory<byte> bytes)
        {
            Write(0, bytes.Span);
            return new(true);
        }

        protected override async ValueTask<(UrbStatus Status, HostUsbBuffer? Buffer)> TryMap(int length, DmaDirection direction) =>
            (UrbStatus.Ok, await controller.TryMap([.. pages.Select(page => page.Frame)], Segments.Span[0].Offset, length, direction));

        protected override ValueTask Unmap(HostUsbBuffer mapped) => controller.Release(mapped);

        protected override ValueTask<bool> CopyIn(MemoryBuffer to, int length)
        {
            byte[] bytes = new byte[length];
            Read(bytes);
            Charge(length);
            to.Write(0, bytes);
            return new(true);
        }

        protected override ValueTask<bool> CopyOut(MemoryBuffer from, int offset, int length)
        {
            byte[] bytes = new byte[length];
            from.Read(offset, bytes);
            Write(offset, bytes);
            Charge(length);
            return new(true);
        }

        protected override void Return()
        {
            foreach (GrantedPage page in pages)
                grants.Return(page);
            pages.Clear();
        }

        private void Read(Span<byte> bytes)
        {
            for (int index = 0; index < pages.Count; index++)
            {
                UrbSegment segment = Segments.Span[index];
                _ = memory.TryRead(pages[index].Frame + segment.Offset, bytes[..segment.Length]);
                bytes = bytes[segment.Length..];
            }
        }

        // The offset counts over all pieces.
        private void Write(int offset, ReadOnlySpan<byte> bytes)
        {
            for (int index = 0; index < pages.Count; index++)
            {
                UrbSegment segment = Segments.Span[index];
                int skip = Math.Min(offset, segment.Length);
                int step = Math.Min(segment.Length - skip, bytes.Length);
                _ = memory.TryWrite(pages[index].Frame + segment.Offset + (ulong)skip, bytes[..step]);
                offset -= skip;
                bytes = bytes[step..];
            }
        }

        private void Charge(int bytes)
        {
            controller.Processor.Charge(Cost.Copy);
            controller.Processor.Charge(Cost.CopiedByte, (ulong)bytes);
        }
    }
}
