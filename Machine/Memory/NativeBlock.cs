using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;

namespace Dma.Machine;

/// <summary>A block of native memory that costs nothing until a page of it is touched, or a shared mapping of a file.</summary>
internal sealed unsafe partial class NativeBlock : IDisposable
{
    private const int ProtReadWrite = 0x1 | 0x2;
    private const int MapPrivate = 0x02;
    private const int MapAnonymousLinux = 0x20;
    private const int MapNoReserveLinux = 0x4000;
    private const int MapAnonymousMac = 0x1000;
    private const int MapNoReserveMac = 0x40;

    private readonly MemoryMappedFile? _file;
    private readonly MemoryMappedViewAccessor? _view;
    private byte* _pointer;

    private NativeBlock(byte* pointer, ulong length, MemoryMappedFile? file = null, MemoryMappedViewAccessor? view = null)
    {
        _pointer = pointer;
        Length = length;
        _file = file;
        _view = view;
    }

    ~NativeBlock() => Release();

    /// <summary>The first byte; null after disposal.</summary>
    public byte* Pointer => _pointer;

    /// <summary>Bytes in the block.</summary>
    public ulong Length { get; }

    /// <summary>A block of zeros. Address space is reserved, memory is not: a terabyte is fine.</summary>
    public static NativeBlock Anonymous(ulong length)
    {
        if (OperatingSystem.IsWindows())
            return new((byte*)NativeMemory.AllocZeroed(checked((nuint)length)), length);
        int flags = OperatingSystem.IsMacOS()
            ? MapPrivate | MapAnonymousMac | MapNoReserveMac
            : MapPrivate | MapAnonymousLinux | MapNoReserveLinux;
        nint address = Map(0, checked((nuint)length), ProtReadWrite, flags, -1, 0);
        if (address == -1)
            throw new IOException($"The system refuses {length} bytes of address space (errno {Marshal.GetLastPInvokeError()}).");
        return new((byte*)address, length);
    }

    /// <summary>A shared mapping of a file: what either side writes, the other one sees.</summary>
    public static NativeBlock Shared(string path, ulong length)
    {
        MemoryMappedFile file = MemoryMappedFile.CreateFromFile(path, FileMode.OpenOrCreate, null, checked((long)length));
        MemoryMappedViewAccessor view = file.CreateViewAccessor(0, (long)length);
        byte* pointer = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
        return new(pointer + view.PointerOffset, length, file, view);
    }

    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    private void Release()
    {
        if (_pointer is null)
            return;
        if (_view is not null)
        {
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _file!.Dispose();
        }
        else if (OperatingSystem.IsWindows())
        {
            NativeMemory.Free(_pointer);
        }
        else
        {
            _ = Unmap((nint)_pointer, (nuint)Length);
        }

        _pointer = null;
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Unmap(nint address, nuint length);
}
