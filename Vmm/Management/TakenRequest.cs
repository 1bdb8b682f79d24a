using Dma.Hal.Spec;

namespace Dma.Vmm;

/// <summary>A request that a core took from a device, until it finishes.</summary>
/// <param name="port">Whose it is.</param>
/// <param name="slot">Its slot.</param>
/// <param name="request">What it asks for.</param>
internal sealed class TakenRequest(ManagementPort port, int slot, ManagementRequest request)
{
    private readonly uint _generation = port.Device.Generation;
    private readonly ulong _takenNs = port.Transfers.NowNs;

    public ManagementPort Port => port;

    public int Slot => slot;

    public ManagementRequest Fields => request;

    /// <summary>The mode that the command belongs to.</summary>
    public ManagementModes Mode => (int)request.Command >> 4 is >= 0 and < 4 and int place ? (ManagementModes)(1 << place) : ManagementModes.None;

    /// <summary>Whether its device still waits for it.</summary>
    public bool IsLive => port.Machine.IsRunning && port.Device.Generation == _generation;

    /// <summary>Copies its input out of the guest's memory.</summary>
    /// <returns><see cref="ManagementResult.Done"/>, or why there is none.</returns>
    public ManagementResult TryRead(out byte[] input)
    {
        input = [];
        if (request.InputLength > ManagementDevice.TransferBytesMax)
            return ManagementResult.TooLong;
        byte[] bytes = new byte[request.InputLength];
        if (!IsLive || !port.Device.ReadMemory(request.Input, bytes))
            return ManagementResult.BufferFault;
        port.Transfers.Copied(port, bytes.Length);
        input = bytes;
        return ManagementResult.Done;
    }

    /// <summary>Copies bytes into its output, all or none but for a range that is memory in part.</summary>
    public ManagementResult TryWrite(ReadOnlySpan<byte> output)
    {
        if (output.Length > request.OutputLength)
            return ManagementResult.NoRoom;
        if (!IsLive || !port.Device.WriteMemory(request.Output, output))
            return ManagementResult.BufferFault;
        port.Transfers.Copied(port, output.Length);
        return ManagementResult.Done;
    }

    /// <summary>It waits from here on.</summary>
    public void Park() => port.Parked.Add(this);

    /// <summary>Charges a copy between the core and the host on its behalf.</summary>
    public void CopiedByHost(int bytes) => port.Transfers.Copied(port, bytes);

    /// <summary>Ends it, once; nothing happens where its device was reset meanwhile or its VM ended.</summary>
    public void Finish(in ManagementAnswer answer)
    {
        _ = port.Parked.Remove(this);
        port.Transfers.Tell(this, answer);
    }

    /// <summary>Writes the completion.</summary>
    public void Complete(in ManagementAnswer answer)
    {
        if (!IsLive)
            return;
        ManagementCompletion completion = new()
        {
            Result = answer.Result,
            Tag = request.Tag,
            Length = (uint)answer.Length,
            Source = answer.Source,
            Value = answer.Value,
            Version = answer.Version,
        };
        if (!port.Device.Finish(slot, _generation, completion))
            return;
        ulong now = port.Transfers.NowNs;
        port.Counts.Finished(answer.Result, now - _takenNs);
        port.Transfers.Watcher?.Invoke(new(port.Number, slot, request.Command, answer.Result, _takenNs, now, answer.Length, answer.Source));
    }
}
