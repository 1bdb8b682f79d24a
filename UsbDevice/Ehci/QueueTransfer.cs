using System.Runtime.InteropServices;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>What a transaction does to the transfer at the front of a queue, at every speed (EHCI, managing transfers by queue heads).</summary>
internal sealed class QueueTransfer(ScheduleMemory memory, TransferEnds ends)
{
    private const int ErrorCountMax = 3;
    private const int PageBytes = ScheduleMemory.PageBytes;

    /// <summary>Bytes of the next packet.</summary>
    public static int NextPacket(in QueueRun run) =>
        Math.Min(run.Token.TotalBytes, Math.Min(run.Head.Characteristics.MaxPacketSize, UsbBus.PacketMax));

    /// <summary>Whether so many bytes reach past the fifth page of the buffer.</summary>
    public static bool LeavesBuffer(in QueueRun run, int length) =>
        length != 0 && run.Token.CurrentPage + ((run.Offset + length - 1) / PageBytes) >= TransferDescriptor.PageCount;

    /// <summary>Bytes crossed the wire and were acknowledged.</summary>
    /// <param name="run">The visit.</param>
    /// <param name="token">The token, with what else changed in it.</param>
    /// <param name="length">How many bytes.</param>
    /// <param name="isShort">Whether the device sent less than it was asked for.</param>
    public void Moved(ref QueueRun run, TransferToken token, int length, bool isShort)
    {
        int end = run.Offset + length;
        token = token with
        {
            TotalBytes = token.TotalBytes - length,
            DataToggle = !token.DataToggle,
            CurrentPage = token.CurrentPage + (end / PageBytes),
            ErrorCount = Reloaded(token),
        };
        if (isShort)
            run.Posts |= StatusBits.Transfer;
        if (isShort || token.TotalBytes == 0)
            Retire(ref run, token, end % PageBytes, isError: false);
        else
            run.SetToken(token, end % PageBytes);
    }

    /// <summary>The transaction failed. The counter that falls from one to zero halts; one that is zero never does.</summary>
    public void Failed(ref QueueRun run, TransferToken token)
    {
        run.IsOver = true;
        TransferToken failed = token with { ErrorCount = Math.Max(token.ErrorCount - 1, 0) };
        if (token.ErrorCount == 1)
            Halt(ref run, failed);
        else
            run.SetToken(failed);
    }

    /// <summary>The queue stops until software repairs it.</summary>
    public void Halt(ref QueueRun run, TransferToken token) =>
        Retire(ref run, token with { Halted = true }, run.Offset, isError: true);

    /// <summary>The qTD is over: what is left of its token goes back to where it came from.</summary>
    public void Retire(ref QueueRun run, TransferToken token, int offset, bool isError)
    {
        run.IsOver = true;
        token = token with { Active = false };
        run.SetToken(token, offset);
        if (isError)
            run.Posts |= StatusBits.Error;
        if (token.InterruptOnComplete)
            run.Posts |= StatusBits.Transfer;
        ends.Ended(run, token);
        Span<uint> words = [token.Raw.Value, run.Head.Overlay.Page0.Raw.Value];
        run.HasFault |= !memory.TryWrite(run.Head.Current.Address + TransferDescriptor.TokenOffset, MemoryMarshal.AsBytes(words));
    }

    /// <summary>A NAK or NYET counts down, where NAKs are counted.</summary>
    public static void CountNak(ref QueueRun run)
    {
        TransferLink alternate = run.Head.Overlay.AlternateNext;
        if (run.Context.IsPeriodic || run.Head.Characteristics.NakReload == 0 || alternate.NakCounter == 0)
            return;
        run.IsDirty = true;
        alternate = alternate with { NakCounter = alternate.NakCounter - 1 };
        run.Head = run.Head with { Overlay = run.Head.Overlay with { AlternateNext = alternate } };
    }

    /// <summary>The error counter after something went well.</summary>
    public static int Reloaded(TransferToken token) => token.ErrorCount == 0 ? 0 : ErrorCountMax;

    /// <summary>Reads the bytes of the next packet.</summary>
    public bool TryGather(in QueueRun run, Span<byte> packet) =>
        memory.TryReadData(Address(run, 0), NextPage(run, 0), packet);

    /// <summary>Writes bytes of a packet that came.</summary>
    /// <param name="run">The visit.</param>
    /// <param name="skip">Bytes of the same packet that came before.</param>
    /// <param name="data">The bytes.</param>
    public bool TryScatter(in QueueRun run, int skip, ReadOnlySpan<byte> data) =>
        memory.TryWriteData(Address(run, skip), NextPage(run, skip), data);

    /// <summary>Says where the bytes lie that the transfer has still to move.</summary>
    public static void Describe(in QueueRun run, TransferPages pages)
    {
        pages.Begin(run.Offset, run.Token.TotalBytes);
        for (int page = run.Token.CurrentPage; page < TransferDescriptor.PageCount; page++)
            pages.Add(PageAddress(run.Head.Overlay, page, 0));
    }

    private static Iova Address(in QueueRun run, int skip)
    {
        int position = run.Offset + skip;
        return PageAddress(run.Head.Overlay, run.Token.CurrentPage + (position / PageBytes), position % PageBytes);
    }

    private static Iova NextPage(in QueueRun run, int skip) =>
        PageAddress(run.Head.Overlay, run.Token.CurrentPage + ((run.Offset + skip) / PageBytes) + 1, 0);

    private static Iova PageAddress(in TransferDescriptor transfer, int page, int offset)
    {
        (BufferPointer low, Bits32 high) = page switch
        {
            0 => (transfer.Page0, transfer.High0),
            1 => (transfer.Page1, transfer.High1),
            2 => (transfer.Page2, transfer.High2),
            3 => (transfer.Page3, transfer.High3),
            _ => (transfer.Page4, transfer.High4),
        };
        return new(((ulong)high.Value << 32) | low.Page | (uint)offset);
    }
}
